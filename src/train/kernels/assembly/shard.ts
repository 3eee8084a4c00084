// One shard of one SAE: where its arrays lie in memory and the numbers of the step. Field order is that of
// SHARD_FIELDS in ../shard.ts, each field four bytes.

@unmanaged
export class Shard {
  d: u32; // floats in a padded row
  width: u32; // latents
  n: u32; // tokens in a batch
  capacity: u32; // entries that index, value, token and col_value can hold
  W_enc: usize; // [width, d]: transposed, a row for a latent
  W_dec: usize; // [width, d]
  v_enc: usize; // [width, d] second moments
  v_dec: usize; // [width, d]
  b_enc: usize; // [width]
  v_b_enc: usize; // [width]
  threshold: usize; // [width]
  v_threshold: usize; // [width]
  low: usize; // [width] threshold - bandwidth / 2: entries above it are kept
  silent: usize; // i32 [width] steps since the latent last fired
  x: usize; // [n, d] scaled inputs less b_dec
  residual: usize; // [n, d] recon - x
  mean_x: usize; // [d] mean of x over the batch
  row_start: usize; // i32 [n + 1]
  index: usize; // i32 [capacity]
  value: usize; // [capacity] pre_acts
  col_start: usize; // i32 [width + 2]
  token: usize; // i32 [capacity]
  col_value: usize; // [capacity] pre_acts
  g_enc: usize; // [d] gradient of the latent at hand
  g_dec: usize; // [d]
  g_b_dec: usize; // [d] gradient of b_dec that flows through the encoder
  dead_steps: i32; // a latent silent for so long is dead
  n_active: i32; // out: entries above their threshold
  n_dead: i32; // out
  g_b_enc: f32; // out: gradient of the latent at hand
  g_threshold: f32; // out
  bandwidth: f32;
  sparsity_slope: f32; // d sparsity loss / d l0
  pre_act_weight: f32;
  lr: f32;
  lr_threshold: f32;
  beta2: f32;
  v_scale: f32; // 1 / sqrt(1 - beta2^t)
  adam_eps: f32;
}
