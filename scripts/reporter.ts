import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestModule } from 'vitest/node';

/** A test, a file or a whole run that failed. */
export interface Failure {
  /** The file from the root of the project on; undefined when the run as a whole failed. */
  file: string | undefined;
  name: string;
  /** The first line of its first error. */
  message: string;
}

/** What one file of tests came to; `skipped` has a line for each, with its reason. */
export interface Counts {
  passed: number;
  failures: Failure[];
  skipped: string[];
}

/** What a run came to: by file, and what went wrong outside of any. */
export interface RunCounts {
  files: Record<string, Counts>;
  failures: Failure[];
}

/**
 * A vitest reporter that leaves the counts, every failure and every skip with its reason in the file
 * named by PODWIRE_TEST_COUNTS, for `scripts/test.ts` to add up.
 */
export default class CountsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const counts: RunCounts = { files: {}, failures: [] };
    if (errors.length > 0) {
      counts.failures.push({ file: undefined, name: 'the run', message: firstLine(errors) });
    }
    for (const module of modules) counts.files[module.relativeModuleId] = countsOf(module);
    const path = process.env.PODWIRE_TEST_COUNTS;
    if (path !== undefined) writeFileSync(path, JSON.stringify(counts));
  }
}

function countsOf(module: TestModule): Counts {
  const counts: Counts = { passed: 0, failures: [], skipped: [] };
  const fail = (name: string, errors: readonly { message: string }[]): void => {
    const file = module.relativeModuleId;
    if (errors.length > 0) counts.failures.push({ file, name, message: firstLine(errors) });
  };
  fail('the file', module.errors());
  for (const suite of module.children.allSuites()) fail(suite.fullName, suite.errors());
  for (const test of module.children.allTests()) {
    const result = test.result();
    if (result.state === 'passed') counts.passed += 1;
    else if (result.state === 'failed') fail(test.fullName, result.errors);
    else counts.skipped.push(`${test.fullName}: ${noteOf(result)}`);
  }
  return counts;
}

function noteOf(result: object): string {
  return 'note' in result && typeof result.note === 'string' ? result.note : 'no reason given';
}

function firstLine(errors: readonly { message: string }[]): string {
  return (errors[0]?.message ?? 'no message').split('\n', 1)[0] ?? '';
}
