// One shard of one SAE: where its arrays lie in memory and the numbers of the step. Field order is that of
// SHARD_FIELDS in ../shard.ts, each field four bytes. Arrays that an architecture has no use for are empty.

@unmanaged
export class Shard {
  d: u32; // floats in a padded row of the input
  d_out: u32; // floats in a padded row of the target
  width: u32; // latents
  n: u32; // tokens in a batch
  capacity: u32; // entries that index, value, gate, token, col_value and col_gate can hold
  aux_capacity: u32; // the same for the dead latents' entries
  W_enc: usize; // [width, d]: transposed, a row for a latent
  W_dec: usize; // [width, d_out]
  v_enc: usize; // [width, d] second moments
  v_dec: usize; // [width, d_out]
  b_enc: usize; // [width]
  v_b_enc: usize; // [width]
  threshold: usize; // [width]
  v_threshold: usize; // [width]
  low: usize; // [width] entries above it are kept
  silent: usize; // i32 [width] steps since the latent last fired
  r_mag: usize; // [width]
  v_r_mag: usize; // [width]
  b_mag: usize; // [width]
  v_b_mag: usize; // [width]
  e_mag: usize; // [width] e^r_mag
  dead: usize; // i32 [width] the dead latents, ascending, n_listed of them
  scratch: usize; // [width]
  x: usize; // [n, d] scaled inputs, less b_dec where it is an SAE
  residual: usize; // [n, d_out] recon - target; nested: the sum over the prefixes that this shard is in
  residual_aux: usize; // [n, d_out] of the auxiliary reconstruction
  mean_x: usize; // [d] mean of x over the batch
  row_start: usize; // i32 [n + 1]
  index: usize; // i32 [capacity]
  value: usize; // [capacity] pre_acts; gated: acts
  gate: usize; // [capacity] gated: the gate's pre_acts
  col_start: usize; // i32 [width + 2]
  token: usize; // i32 [capacity]
  col_value: usize; // [capacity]
  col_gate: usize; // [capacity]
  aux_row_start: usize; // i32 [n + 1]
  aux_index: usize; // i32 [aux_capacity]
  aux_value: usize; // [aux_capacity]
  aux_col_start: usize; // i32 [width + 2]
  aux_token: usize; // i32 [aux_capacity]
  aux_col_value: usize; // [aux_capacity]
  W_8: usize; // 8 bits [d, width]: W_enc in whole units of each latent's own, transposed
  unit: usize; // [width] units a float
  cut: usize; // [width] low - b_enc, in units
  norm_8: usize; // [width] norm of the row, in units
  error_8: usize; // [width] norm of what rounding took off the row, in units
  x_8: usize; // u8 [n, d]: x in whole units of each token's own, 128 for zero
  x_unit: usize; // [n] units a float
  x_error: usize; // [n] norm of what rounding, and the sums that decide, may take off the row, in units
  x_norm: usize; // [n] norm of the rounded row, in units
  g_enc: usize; // [d] gradient of the latent at hand
  g_dec: usize; // [d_out]
  g_b_dec: usize; // [d] gradient of b_dec that flows through the encoder
  is_gated: i32;
  learns_threshold: i32;
  input_bias: i32; // whether b_dec was taken off the input
  has_aux: i32; // whether the dead latents' entries count in this step
  flip: i32; // bits to turn over in every byte of W_8: 128 makes them unsigned
  dead_steps: i32; // a latent silent for so long is dead
  n_listed: i32; // length of `dead`
  n_active: i32; // out: entries above their threshold
  n_dead: i32; // out
  touched: i32; // out: what the latent at hand has gradients of: 1 encoder, 2 decoder
  paid: f32; // out: sum of the activations that are paid for
  g_u: f32; // out: gradient of the latent at hand, of its product with the input
  g_b_enc: f32; // out
  g_threshold: f32; // out
  g_r_mag: f32; // out
  g_b_mag: f32; // out
  bandwidth: f32;
  sparsity_slope: f32; // d sparsity loss / d l0
  activation_price: f32; // d sparsity loss / d activation, times n
  frequency_weight: f32;
  frequency_knee: f32;
  pre_act_weight: f32;
  aux_weight: f32;
  lr: f32;
  lr_threshold: f32;
  beta2: f32;
  v_scale: f32; // 1 / sqrt(1 - beta2^t)
  adam_eps: f32;
}
