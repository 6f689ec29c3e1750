import { defineConfig } from 'vitest/config';
import { vmPool } from './test/vm/harness/pool.ts';

/** Suites of test/integration run on that kernel, too, but only when files are asked for. */
const vmFolders = process.env.VM_TESTS ? 'test/{vm,integration}' : 'test/vm';

/**
 * Five suites: `unit` is pure and quick, `integration` and `lab` need root and a real kernel, `peers`
 * also needs the programs that `make peers` builds, `vm` runs on a kernel of its own. Every suite runs in
 * forked processes, never in worker threads: entering a network namespace acts on the calling thread.
 */
export default defineConfig({
  test: {
    pool: 'forks',
    execArgv: ['--no-warnings'],
    reporters: ['default'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'src/**/*.test.ts',
            'scripts/**/*.test.ts',
            'test/{house,vm/harness,conformance/proxy}/**/*.test.ts',
          ],
          // Far beyond what any needs: only what hangs is ended, on a busy machine too.
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          exclude: ['test/integration/lab/**'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // Each file names what it makes after itself and its process. More at once would wait for
          // kernel locks, and what limits time would fail.
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          // There is one lab on a machine.
          name: 'lab',
          include: ['test/integration/lab/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'peers',
          include: ['test/conformance/{cni,dns,kube}/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          name: 'vm',
          pool: vmPool,
          include: [`${vmFolders}/**/*.test.ts`],
          exclude: ['test/vm/harness/**'],
          // An emulated processor is ten to twenty times slower.
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
