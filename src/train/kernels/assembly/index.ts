export { scan, decode, transpose } from "./rows";
export { gradients, update } from "./update";
export { centre, add, subtract, moments } from "./dense";
