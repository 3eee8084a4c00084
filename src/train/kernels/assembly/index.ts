export { scan, decode, decodeAux, transpose } from "./rows";
export { scanTop, scanDead, filter, magnitudes } from "./select";
export { gradients, update, adamArray } from "./update";
export { centre, accumulate, moments } from "./dense";
export { roundInputs, roundLatents, propose, decide } from "./propose";
