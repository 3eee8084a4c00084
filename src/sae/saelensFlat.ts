/**
 * cfg.json of SAELens before 6 (v3 to v5, and the runner settings of earlier ones): flat, without "metadata".
 *
 * Fields had other names, ReLU and TopK were named by `activation_fn_str`, b_dec was taken off the input unless said otherwise,
 * and `normalize_activations` was true or false. Everything about training stood beside what the weights mean.
 * Source: SAELens 5.0 `sae.py` (`SAEConfig`), 6.18 `loading/pretrained_sae_loaders.py` (`handle_pre_6_0_config`).
 */

import { FormatError, quote } from '../formats/index.ts'

type Config = Readonly<Record<string, unknown>>

const RENAMED: Readonly<Record<string, string>> = {
  hook_point: 'hook_name',
  hook_point_layer: 'hook_layer',
  hook_point_head_index: 'hook_head_index',
  activation_fn_str: 'activation_fn',
}
/** What the weights mean. */
const MEANING = [
  'architecture', 'd_in', 'd_sae', 'dtype', 'device', 'apply_b_dec_to_input', 'normalize_activations', 'reshape_activations',
  'finetuning_scaling_factor', 'activation_fn', 'activation_fn_kwargs', 'k',
] // biome-ignore format: a list
/** Where it is and what it was trained on. */
const METADATA = [
  'model_name', 'model_class_name', 'hook_name', 'hook_layer', 'hook_head_index', 'hook_name_out', 'hook_head_index_out', 'prepend_bos',
  'exclude_special_tokens', 'neuronpedia_id', 'context_size', 'seqpos_slice', 'dataset_path', 'dataset_trust_remote_code', 'sae_lens_version',
  'sae_lens_training_version', 'model_from_pretrained_kwargs',
] // biome-ignore format: a list
/** How it was trained. */
const TRAINING = [
  'is_dataset_tokenized', 'use_cached_activations', 'cached_activations_path', 'n_batches_in_buffer', 'total_training_tokens',
  'training_tokens', 'store_batch_size', 'store_batch_size_prompts', 'seed', 'b_dec_init_method', 'expansion_factor', 'from_pretrained_path',
  'l1_coefficient', 'lp_norm', 'lr', 'lr_end', 'lr_scheduler_name', 'lr_warm_up_steps', 'lr_decay_steps', 'l1_warm_up_steps',
  'adam_beta1', 'adam_beta2', 'train_batch_size', 'train_batch_size_tokens', 'use_ghost_grads', 'feature_sampling_window',
  'feature_sampling_method', 'resample_batches', 'feature_reinit_scale', 'dead_feature_window', 'dead_feature_estimation_method',
  'dead_feature_threshold', 'log_to_wandb', 'wandb_project', 'wandb_entity', 'wandb_log_frequency', 'entity', 'run_name', 'n_checkpoints',
  'checkpoint_path', 'verbose', 'tokens_per_buffer', 'mse_loss_normalization', 'noise_scale', 'normalize_sae_decoder', 'decoder_orthogonal_init',
  'decoder_heuristic_init', 'init_encoder_as_decoder_transpose', 'scale_sparsity_penalty_by_decoder_norm', 'streaming', 'autocast',
  'autocast_lm', 'compile_llm', 'llm_compilation_mode', 'compile_sae', 'sae_compilation_mode', 'act_store_device', 'n_eval_batches',
  'eval_batch_size_prompts', 'eval_every_n_wandb_logs', 'model_kwargs', 'n_restart_cycles', 'finetuning_tokens', 'finetuning_method', 'wandb_id',
  'wandb_log_optimizer_state', 'log_activations_store_to_wandb', 'log_optimizer_state_to_wandb', 'resume', 'n_eval_seqs', 'hook_point_eval', 'hook_eval',
  'decoder_heuristic_init_norm', 'jumprelu_init_threshold', 'jumprelu_bandwidth', 'sae_lens_checkpoint_path',
] // biome-ignore format: a list

/**
 * The same configuration as SAELens 6 nests it.
 * @param path of the file, for messages.
 * @throws FormatError for a field that is none of the above, another activation, or a normalisation that is no word.
 */
export function nestFlatConfig(flat: Config, path: string): Record<string, unknown> {
  const fail = (message: string) => new FormatError(path, message)
  const value: Record<string, unknown> = {}
  for (const [field, content] of Object.entries(flat)) {
    const name = Object.hasOwn(RENAMED, field) ? RENAMED[field]! : field
    if (![MEANING, METADATA, TRAINING].some((known) => known.includes(name))) {
      throw fail(
        `has the unknown field ${quote(field)}, which may change what the weights mean. Remove it if it does not.`,
      )
    }
    if (name in value) throw fail(`says ${name} twice, under its old and its new name.`)
    value[name] = content
  }
  const { activation_fn = 'relu', activation_fn_kwargs, normalize_activations = 'none' } = value
  const kwargs = Object(activation_fn_kwargs ?? {}) as Config
  const isTopk = activation_fn === 'topk' || value.architecture === 'topk'
  if (activation_fn !== 'relu' && activation_fn !== 'topk') {
    throw fail(`has activation_fn ${quote(activation_fn)}; Hooke reads relu and topk.`)
  }
  if (kwargs.signed === true)
    throw fail('is signed: it keeps latents below 0, which Hooke does not run.')
  return {
    architecture: isTopk ? 'topk' : (value.architecture ?? 'standard'),
    d_in: value.d_in,
    d_sae: value.d_sae,
    dtype: value.dtype,
    device: value.device,
    ...(isTopk ? { k: value.k ?? kwargs.k } : {}),
    apply_b_dec_to_input: value.apply_b_dec_to_input ?? true,
    normalize_activations:
      normalize_activations === true
        ? 'expected_average_only_in'
        : normalize_activations === false || normalize_activations === null
          ? 'none'
          : normalize_activations,
    reshape_activations: value.reshape_activations ?? 'none',
    finetuning_scaling_factor: value.finetuning_scaling_factor ?? false,
    metadata: Object.fromEntries(
      METADATA.filter((name) => name in value).map((name) => [name, value[name]]),
    ),
  }
}
