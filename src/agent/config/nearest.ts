/** What is wrong with a field that the configuration does not have. */
export const NO_SUCH_FIELD = 'there is no such field';

/** The same, with the name that may have been meant. */
export function noSuchField(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return meant === undefined ? NO_SUCH_FIELD : `${NO_SUCH_FIELD}; did you mean "${meant}"?`;
}

/** Longer names are no slips of the pen. */
const NAME_CHARACTERS_MAX = 64;

/**
 * The known name that differs least, when so little that it may be a slip: in one letter of three, or
 * in capitals alone.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > NAME_CHARACTERS_MAX) return undefined;
  const lower = name.toLowerCase();
  let best: string | undefined;
  let least = Math.max(1, Math.trunc(name.length / 3)) + 1;
  for (const each of known) {
    const edits = distance(lower, each.toLowerCase());
    if (edits >= least) continue;
    best = each;
    least = edits;
  }
  return best;
}

/**
 * How many letters have to be put in, taken out, changed, or swapped with the next (optimal string
 * alignment).
 */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  let before: readonly number[] = row;
  for (let line = 1; line <= from.length; line += 1) {
    const next = [line];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[line - 1] === to[column - 1] ? 0 : 1;
      const above = row[column] ?? 0;
      const left = next[column - 1] ?? 0;
      const isSwap = from[line - 1] === to[column - 2] && from[line - 2] === to[column - 1];
      const swapped = isSwap && line > 1 ? (before[column - 2] ?? 0) + 1 : Number.MAX_VALUE;
      next.push(Math.min((row[column - 1] ?? 0) + same, above + 1, left + 1, swapped));
    }
    before = row;
    row = next;
  }
  return row[to.length] ?? 0;
}
