import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GO_MIN, goVersion } from '../test/peers/peer.ts';
import { vmLacks } from '../test/vm/harness/needs.ts';
import type { Counts, Failure, RunCounts } from './reporter.ts';

/*
 * `make test`: every check in turn, all of them even when one fails. The last lines name each skip
 * and each failure, and count them. Arguments name vitest projects; without any: unit, integration
 * and lab. Arguments with a slash narrow those to files.
 *
 * A file that fails beside others is run once more alone. When all of it passes then, what failed is
 * named and counted as unsteady: a fault to look for, but not a change that broke something.
 */

/** With more files than this the change is at fault, not chance: nothing is run again. */
const RERUN_FILES_MAX = 4;

interface Outcome extends Counts {
  /** What failed in files that passed alone. */
  unsteady: Failure[];
}

/** Runs one static check; it counts as one test. */
function step(title: string, command: string, args: string[]): Outcome {
  process.stdout.write(`\n== ${title}\n`);
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  const ok = status === 0;
  process.stdout.write(`${ok ? 'ok' : 'FAILED'}: ${title}\n`);
  return ok ? outcome({ passed: 1 }) : outcome({ failures: [wholeRun(title, 'see above')] });
}

/** Runs one vitest project, or some files of it, and what failed in it once more. */
function suite(project: string, files: readonly string[]): Outcome {
  process.stdout.write(`\n== ${project} tests\n`);
  const run = vitest(project, files);
  const failed = Object.keys(run.files).filter((file) => run.files[file]?.failures.length !== 0);
  const unsteady: Failure[] = [];
  if (run.failures.length === 0 && failed.length > 0 && failed.length <= RERUN_FILES_MAX) {
    process.stdout.write(`\n== ${project} tests, once more: ${failed.join(', ')}\n`);
    const alone = vitest(project, [...failed, '--no-file-parallelism']);
    for (const file of failed) {
      const again = alone.files[file];
      if (again === undefined || again.failures.length > 0) continue;
      unsteady.push(...(run.files[file]?.failures ?? []));
      run.files[file] = again;
    }
    run.failures.push(...alone.failures);
  }
  const counts = Object.values(run.files);
  return {
    passed: counts.reduce((sum, { passed }) => sum + passed, 0),
    failures: [...counts.flatMap(({ failures }) => failures), ...run.failures],
    skipped: counts.flatMap(({ skipped }) => skipped),
    unsteady,
  };
}

function vitest(project: string, args: readonly string[]): RunCounts {
  const directory = mkdtempSync(join(tmpdir(), 'podwire-test-'));
  const file = join(directory, 'counts.json');
  const reporter = join(import.meta.dirname, 'reporter.ts');
  const { status } = spawnSync(
    'vitest',
    ['run', '--project', project, '--reporter=default', `--reporter=${reporter}`, ...args],
    { stdio: 'inherit', env: { ...process.env, PODWIRE_TEST_COUNTS: file } },
  );
  try {
    const run = JSON.parse(readFileSync(file, 'utf8')) as RunCounts;
    // A run that failed without a failed test, such as one that found no file, is a failure too.
    const failed = run.failures.length > 0 || Object.values(run.files).some(hasFailures);
    if (status !== 0 && !failed) {
      run.failures.push(wholeRun(project, `vitest ended with ${status}`));
    }
    return run;
  } catch {
    return { files: {}, failures: [wholeRun(project, 'vitest left no counts')] };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function hasFailures({ failures }: Counts): boolean {
  return failures.length > 0;
}

function wholeRun(name: string, message: string): Failure {
  return { file: undefined, name, message };
}

function outcome(parts: Partial<Outcome>): Outcome {
  return { passed: 0, failures: [], skipped: [], unsteady: [], ...parts };
}

function line({ file, name, message }: Failure): string {
  return `${file === undefined ? '' : `${file}: `}${name}: ${message}`;
}

const files = process.argv.slice(2).filter((argument) => argument.includes('/'));
const projects = process.argv.slice(2).filter((argument) => !argument.includes('/'));
const results: Outcome[] = [];
if (projects.length === 0) {
  results.push(step('format and lint', 'biome', ['check', '.']));
  results.push(step('type-aware lint', 'oxlint', ['--type-aware', '--quiet']));
  results.push(step('types', 'tsc', ['-p', '.']));
  results.push(step('dead code', 'knip', []));
  projects.push('unit', 'integration', 'lab');
  if (goVersion() === undefined) {
    const skip = `the suites of make test-peers: no Go ${GO_MIN} or newer on PATH`;
    results.push(outcome({ skipped: [skip] }));
  }
}
for (const project of projects) {
  const lacks = project === 'vm' ? vmLacks() : undefined;
  if (lacks === undefined) results.push(suite(project, files));
  else results.push(outcome({ skipped: [`the suite of make test-vm: ${lacks}`] }));
}

const passed = results.reduce((sum, counts) => sum + counts.passed, 0);
const failures = results.flatMap((counts) => counts.failures);
const skipped = results.flatMap((counts) => counts.skipped);
const unsteady = results.flatMap((counts) => counts.unsteady);
process.stdout.write('\n');
for (const skip of skipped) process.stdout.write(`skipped: ${skip}\n`);
for (const failure of unsteady) process.stdout.write(`unsteady: ${line(failure)}\n`);
for (const failure of failures) process.stdout.write(`failed: ${line(failure)}\n`);
process.stdout.write(`${passed} passed, ${failures.length} failed, ${skipped.length} skipped`);
process.stdout.write(unsteady.length === 0 ? '\n' : `, ${unsteady.length} unsteady\n`);
process.exitCode = failures.length === 0 ? 0 : 1;
