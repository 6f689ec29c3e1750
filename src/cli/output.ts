/** How a command prints its answer. */
export type OutputFormat = 'table' | 'json';

/** The yargs option every command with an answer has. */
export const outputOption = {
  alias: 'o',
  choices: ['table', 'json'] as const,
  default: 'table' as const,
  describe: 'how to print the answer',
};

/** Prints rows under a heading line, columns as wide as they need to be. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    rows.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), title.length),
  );
  return [head, ...rows]
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
    .concat('\n');
}

/** Prints a JSON value, indented. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
