/** Memory that is given back before the garbage collector comes, which lets hundreds of megabytes lie. */

/** Frees an array that nothing else sees; it is empty from then on. Shared memory stays. */
export function giveBack({ buffer }: ArrayBufferView): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}
