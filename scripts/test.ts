import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GO_MIN, goVersion } from '../test/peers/peer.ts';
import { vmLacks } from '../test/vm/harness/needs.ts';

/*
 * `make test`: every check in turn, all of them even when one fails, and a closing line that counts
 * passed, failed and skipped. Arguments name vitest projects; without any: unit, integration and lab.
 * Arguments with a slash narrow those to files.
 */

interface Counts {
  passed: number;
  failed: number;
  skipped: string[];
}

/** Runs one static check; it counts as one test. */
function step(title: string, command: string, args: string[]): Counts {
  process.stdout.write(`\n== ${title}\n`);
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  const ok = status === 0;
  process.stdout.write(`${ok ? 'ok' : 'FAILED'}: ${title}\n`);
  return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: [] };
}

/** Runs one vitest project, or some files of it, and gives what its tests came to. */
function suite(project: string, files: readonly string[]): Counts {
  process.stdout.write(`\n== ${project} tests\n`);
  const directory = mkdtempSync(join(tmpdir(), 'podwire-test-'));
  const file = join(directory, 'counts.json');
  const { status } = spawnSync(
    'vitest',
    [
      'run',
      '--project',
      project,
      '--reporter=default',
      `--reporter=${join(import.meta.dirname, 'reporter.ts')}`,
      ...files,
    ],
    { stdio: 'inherit', env: { ...process.env, PODWIRE_TEST_COUNTS: file } },
  );
  try {
    const counts = JSON.parse(readFileSync(file, 'utf8')) as Counts;
    // A run that failed without a failed test, such as one that found no file, is a failure too.
    if (status !== 0 && counts.failed === 0) counts.failed = 1;
    return counts;
  } catch {
    return { passed: 0, failed: 1, skipped: [] };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const files = process.argv.slice(2).filter((argument) => argument.includes('/'));
const projects = process.argv.slice(2).filter((argument) => !argument.includes('/'));
const results: Counts[] = [];
if (projects.length === 0) {
  results.push(step('format and lint', 'biome', ['check', '.']));
  results.push(step('type-aware lint', 'oxlint', ['--type-aware', '--quiet']));
  results.push(step('types', 'tsc', ['-p', '.']));
  results.push(step('dead code', 'knip', []));
  projects.push('unit', 'integration', 'lab');
  if (goVersion() === undefined) {
    const skip = `the suites of make test-peers: no Go ${GO_MIN} or newer on PATH`;
    results.push({ passed: 0, failed: 0, skipped: [skip] });
  }
}
for (const project of projects) {
  const lacks = project === 'vm' ? vmLacks() : undefined;
  if (lacks === undefined) results.push(suite(project, files));
  else results.push({ passed: 0, failed: 0, skipped: [`the suite of make test-vm: ${lacks}`] });
}

const passed = results.reduce((sum, counts) => sum + counts.passed, 0);
const failed = results.reduce((sum, counts) => sum + counts.failed, 0);
const skipped = results.flatMap((counts) => counts.skipped);
process.stdout.write('\n');
for (const skip of skipped) process.stdout.write(`skipped: ${skip}\n`);
process.stdout.write(`${passed} passed, ${failed} failed, ${skipped.length} skipped\n`);
process.exitCode = failed === 0 ? 0 : 1;
