// How packed matrices and inputs lie in memory. Every format is made of cells of 4 bytes, which hold 1 (f32), 2 (bf16, f16), 4 (q8) or
// 8 (q4) weights of one row; a vector of 16 bytes holds the cells of four rows at the same columns. Rows are padded with zeros to a
// multiple of 32 columns, matrices to a multiple of 16 rows. q8 and q4 have one scale (the upper half of a float) per row and 32
// columns: four of them follow the vectors of a block.

/** Columns in a block. */
export const BLOCK: usize = 32;
/** Bytes of a block of four rows: 8 or 4 vectors, and four scales. */
export const Q8_BYTES: usize = 136;
export const Q4_BYTES: usize = 72;

/** A block of 32 rounded inputs: magnitudes, sign masks (0 or -1), signed values, and three numbers. */
export const INPUT_BYTES: usize = 112;
export const INPUT_SIGN: usize = 32;
export const INPUT_SIGNED: usize = 64;
export const INPUT_UNIT: usize = 96;
/** What `dot4(w ^ sign, magnitude)` lacks: the sum of the negative inputs' magnitudes. */
export const INPUT_FLIPS: usize = 100;
/** What `dot4(signed, w + 8)` has too much, negated: -8 times the sum of the inputs. */
export const INPUT_OFFSET: usize = 104;

/** The power of two by which inputs for f16 weights are multiplied, so that nothing gets near the least float. */
export const F16_INPUT: f32 = 18446744073709551616.0; // 2^64
