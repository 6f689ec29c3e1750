import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/**
 * A vitest reporter that leaves the counts and every skip with its reason in the file named by
 * PODWIRE_TEST_COUNTS, for `scripts/test.ts` to add up.
 */
export default class CountsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: errors.length, skipped: [] as string[] };
    for (const module of modules) {
      if (module.errors().length > 0) counts.failed += 1;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed') counts.passed += 1;
        else if (result.state === 'failed') counts.failed += 1;
        else counts.skipped.push(`${test.fullName}: ${noteOf(result)}`);
      }
    }
    const path = process.env.PODWIRE_TEST_COUNTS;
    if (path !== undefined) writeFileSync(path, JSON.stringify(counts));
  }
}

function noteOf(result: object): string {
  return 'note' in result && typeof result.note === 'string' ? result.note : 'no reason given';
}
