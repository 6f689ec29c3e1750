import { OPTIONS, type OptionName, SECTIONS } from './definitions.ts';
import { defaultText } from './text.ts';
import { variableOf } from './text-layers.ts';

const BEGIN = '<!-- options: written by scripts/configuration.ts -->';
const END = '<!-- end of options -->';

/** A page with the tables of all options, of today, between its marks. */
export function withOptionTables(page: string): string {
  const [before, rest] = page.split(BEGIN);
  const [, after] = rest?.split(END) ?? [];
  if (before === undefined || after === undefined) throw new Error(`expected "${BEGIN}", "${END}"`);
  return `${before}${BEGIN}\n\n${optionTables()}\n${END}${after}`;
}

function optionTables(): string {
  return SECTIONS.map(({ title, names }) => `## ${title}\n\n${tableOf(names)}\n`).join('\n');
}

function tableOf(names: readonly OptionName[]): string {
  const rows = names.map((name) => {
    const option = OPTIONS[name];
    const variable = variableOf(option);
    const said =
      variable === undefined ? 'the file alone' : `\`--${option.flag}\`, \`${variable}\``;
    const usual = option.defaultDoc ?? `\`${defaultText(option)}\``;
    const more = option.change === 'restart' ? '. **Needs a restart**' : '';
    return [`\`${name}\``, said, cell(usual), cell(`${option.doc}${more}`)];
  });
  const all = [['field', 'flag, variable', 'default', 'what it says'], ...rows];
  const widths = [0, 1, 2, 3].map((column) =>
    Math.max(...all.map((row) => row[column]?.length ?? 0)),
  );
  const lines = all.map((row) => line(row.map((each, column) => each.padEnd(widths[column] ?? 0))));
  lines.splice(1, 0, line(widths.map((width) => '-'.repeat(width))));
  return lines.join('\n');
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
