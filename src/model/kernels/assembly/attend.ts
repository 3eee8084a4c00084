// Attention of one token's heads that share a key head, over the keys it sees.
import { exp4, fma, sum4, tanh4 } from "./vector";

/**
 * z = softmax(cap(scale q k^T)) v, for `group` heads of one token.
 * @param q [group, d] @param k keys of the head, from the first that is seen, [n, d]; v the same of values
 * @param z [group, d] @param scores room for [group, n + 3] floats, aligned to 16 bytes, rows of a multiple of 4
 * @param d a multiple of 4; @param softcap 0 for none.
 */
export function attend(q: usize, k: usize, v: usize, z: usize, scores: usize, group: u32, n: u32, d: u32, scale: f32, softcap: f32): void {
  let bytes = <usize>d << 2, wide = bytes & ~63, row = ((<usize>n + 3) & ~3) << 2;
  for (let j: usize = 0; j < <usize>n; j++) {
    let key = k + j * bytes;
    for (let h: usize = 0; h < <usize>group; h++) {
      let query = q + h * bytes, i: usize = 0;
      let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
      for (; i < wide; i += 64) {
        s0 = fma(v128.load(query + i), v128.load(key + i), s0);
        s1 = fma(v128.load(query + i, 16), v128.load(key + i, 16), s1);
        s2 = fma(v128.load(query + i, 32), v128.load(key + i, 32), s2);
        s3 = fma(v128.load(query + i, 48), v128.load(key + i, 48), s3);
      }
      for (; i < bytes; i += 16) s0 = fma(v128.load(query + i), v128.load(key + i), s0);
      store<f32>(scores + h * row + (j << 2), sum4(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3))));
    }
  }
  for (let h: usize = 0; h < <usize>group; h++) {
    let s = scores + h * row;
    for (let j = <usize>n << 2; j < row; j += 4) store<f32>(s + j, load<f32>(s));
    let total = soften(s, row, n, scale, softcap);
    gather(s, v, z + h * bytes, n, bytes, 1 / total);
  }
}

/** Scores to exp(score - largest), in place; returns the sum of the first n. */
// @ts-ignore: decorator
@inline
function soften(s: usize, row: usize, n: u32, scale: f32, softcap: f32): f32 {
  let c = f32x4.splat(scale), largest = f32x4.splat(-Infinity);
  let cap = f32x4.splat(softcap), uncap = f32x4.splat(softcap > 0 ? 1 / softcap : 0);
  for (let j: usize = 0; j < row; j += 16) {
    let p = f32x4.mul(c, v128.load(s + j));
    if (softcap > 0) p = f32x4.mul(cap, tanh4(f32x4.mul(p, uncap)));
    largest = f32x4.pmax(largest, p);
    v128.store(s + j, p);
  }
  let top = f32x4.splat(
    max(
      max(f32x4.extract_lane(largest, 0), f32x4.extract_lane(largest, 1)),
      max(f32x4.extract_lane(largest, 2), f32x4.extract_lane(largest, 3)),
    ),
  );
  let sum = f32x4.splat(0);
  for (let j: usize = 0; j < row; j += 16) {
    let p = exp4(f32x4.sub(v128.load(s + j), top));
    v128.store(s + j, p);
    // Behind the last score stand copies of the first: they count nothing.
    if (j + 16 == row) for (let i = <usize>n << 2; i < row; i += 4) store<f32>(s + i, 0);
    sum = f32x4.add(sum, v128.load(s + j));
  }
  return sum4(sum);
}

/** z [d] = c p v: p [n, padded with zeros to a multiple of 4], v [n, d]. */
// @ts-ignore: decorator
@inline
function gather(p: usize, v: usize, z: usize, n: u32, bytes: usize, c: f32): void {
  memory.fill(z, 0, bytes);
  let j: usize = 0;
  for (; j + 4 <= <usize>n; j += 4) {
    let at = p + (j << 2), v0 = v + j * bytes, v1 = v0 + bytes, v2 = v1 + bytes, v3 = v2 + bytes;
    let p0 = v128.load32_splat(at), p1 = v128.load32_splat(at, 4);
    let p2 = v128.load32_splat(at, 8), p3 = v128.load32_splat(at, 12);
    for (let i: usize = 0; i < bytes; i += 16) {
      let a = fma(p0, v128.load(v0 + i), v128.load(z + i));
      a = fma(p1, v128.load(v1 + i), a);
      a = fma(p2, v128.load(v2 + i), a);
      v128.store(z + i, fma(p3, v128.load(v3 + i), a));
    }
  }
  for (; j < <usize>n; j++) {
    let p0 = v128.load32_splat(p + (j << 2)), v0 = v + j * bytes;
    for (let i: usize = 0; i < bytes; i += 16) v128.store(z + i, fma(p0, v128.load(v0 + i), v128.load(z + i)));
  }
  let scale = f32x4.splat(c);
  for (let i: usize = 0; i < bytes; i += 16) v128.store(z + i, f32x4.mul(scale, v128.load(z + i)));
}
