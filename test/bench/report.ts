import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Sample } from './measure.ts';

const PAGE = join(import.meta.dirname, '../../docs/performance.md');

/** What must hold for the benchmark to succeed. */
export interface Goal {
  readonly text: string;
  readonly figure: number;
  readonly limit: number;
}

/** One measurement of several candidates at several sizes; what was not measured is undefined. */
export interface Grid {
  readonly title: string;
  readonly unit: string;
  readonly sizes: readonly string[];
  readonly rows: readonly {
    readonly name: string;
    readonly figures: readonly (number | undefined)[];
  }[];
}

/** Many measurements of the same kind, each of ours beside that of one peer. */
export interface Comparison {
  readonly title: string;
  readonly unit: string;
  readonly rows: readonly {
    readonly name: string;
    readonly ours: Sample;
    readonly theirs: Sample;
  }[];
}

/** One benchmark's outcome: a table for each measurement, and the goals. */
export interface Report {
  /** The name of its make target. */
  readonly name: string;
  readonly tables: readonly {
    readonly title: string;
    readonly unit: string;
    /** The first is what the others are compared with. */
    readonly samples: readonly Sample[];
  }[];
  readonly grids?: readonly Grid[];
  readonly comparisons?: readonly Comparison[];
  readonly goals: readonly Goal[];
}

/**
 * Prints a report, puts its tables into docs/performance.md between `<!-- name -->` and
 * `<!-- /name -->`, and sets the exit status by whether all goals held.
 */
export function publish(report: Report): void {
  const tables = [
    ...report.tables.map(formatTable),
    ...(report.grids ?? []).map(formatGrid),
    ...(report.comparisons ?? []).map(formatComparison),
  ].join('\n');
  const goals = report.goals.map(({ text, figure, limit }) => {
    const held = figure <= limit ? 'held' : 'short';
    return `- ${held}: ${text}: ${figure.toFixed(2)}, at most ${limit.toFixed(2)}`;
  });
  const body = `${tables}\n${goals.join('\n')}\n`;
  process.stdout.write(body);
  replaceSection(report.name, body);
  const held = report.goals.filter(({ figure, limit }) => figure <= limit).length;
  process.stdout.write(`\n${report.name}: ${held} of ${report.goals.length} goals held\n`);
  process.exitCode = held === report.goals.length ? 0 : 1;
}

function formatTable({ title, unit, samples }: Report['tables'][number]): string {
  const base = samples[0]?.median ?? Number.NaN;
  const rows = samples.map(
    ({ name, median, p5, p95 }) =>
      `| ${name} | ${median.toFixed(1)} | ${p5.toFixed(1)} to ${p95.toFixed(1)} | ${(median / base).toFixed(2)} |`,
  );
  return [
    `| ${title} | median, ${unit} | 5% to 95% | ratio |`,
    '|---|---:|---:|---:|',
    ...rows,
    '',
  ].join('\n');
}

function formatGrid({ title, unit, sizes, rows }: Grid): string {
  const lines = rows.map(
    ({ name, figures }) =>
      `| ${name} | ${figures.map((figure) => figure?.toFixed(1) ?? '-').join(' | ')} |`,
  );
  return [
    `| ${title}, ${unit} | ${sizes.join(' | ')} |`,
    `|---|${sizes.map(() => '---:|').join('')}`,
    ...lines,
    '',
  ].join('\n');
}

function formatComparison({ title, unit, rows }: Comparison): string {
  const spread = ({ median, p5, p95 }: Sample): string =>
    `${median.toFixed(1)} | ${p5.toFixed(1)} to ${p95.toFixed(1)}`;
  const lines = rows.map(
    ({ name, ours, theirs }) =>
      `| ${name} | ${spread(ours)} | ${spread(theirs)} | ${(ours.median / theirs.median).toFixed(2)} |`,
  );
  return [
    `| ${title} | podwire, ${unit} | 5% to 95% | reference, ${unit} | 5% to 95% | ratio |`,
    '|---|---:|---:|---:|---:|---:|',
    ...lines,
    '',
  ].join('\n');
}

function replaceSection(name: string, body: string): void {
  const [start, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const text = readFileSync(PAGE, 'utf8');
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/performance.md: no section ${name}`);
  writeFileSync(PAGE, `${text.slice(0, from + start.length)}\n${body}\n${text.slice(to)}`);
}
