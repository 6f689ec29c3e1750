/** FNV-1a, 32 bits: it has to spread names, not to keep secrets, and loads nothing. */
export function fnv1a(text: string): number {
  let state = 0x811c_9dc5;
  for (const octet of Buffer.from(text)) state = Math.imul(state ^ octet, 0x0100_0193);
  return state >>> 0;
}
