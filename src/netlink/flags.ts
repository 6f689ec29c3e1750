/** The bits that `names` stand for in `table`. */
export function bitsOf<K extends string>(
  table: Readonly<Record<K, number>>,
  names: readonly K[],
): number {
  return names.reduce((bits, name) => (bits | table[name]) >>> 0, 0);
}

/** The names in `table`, in its order, of the bits that are set. */
export function namesOf<K extends string>(
  table: Readonly<Record<K, number>>,
  bits: number,
): readonly K[] {
  return (Object.keys(table) as K[]).filter((name) => (bits & table[name]) !== 0);
}
