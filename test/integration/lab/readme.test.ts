import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';

/* Runs what README.md shows, in its order, and compares what comes out with what stands there. */

const ROOT = join(import.meta.dirname, '../../..');
/** The one that would run this test again. */
const NOT_RUN = ['make test'];

interface Shown {
  readonly command: string;
  readonly output: string;
}

const shown: Shown[] = Array.from(
  readFileSync(join(ROOT, 'README.md'), 'utf8').matchAll(/^```console\n(.*?)^```$/gms),
  ([, block = '']) => block,
).flatMap((block) =>
  block
    .split(/^\$ /m)
    .filter((part) => part !== '')
    .map((part) => {
      const [command = '', ...output] = part.split('\n');
      return { command, output: output.join('\n').trim() };
    }),
);

/** Runs a command as a reader would, with both outputs in the order they come. */
function run(command: string): { readonly status: number | null; readonly output: string } {
  const { status, stdout } = spawnSync(
    'sh',
    ['-c', 'exec "$@" 2>&1', 'sh', ...command.split(' ')],
    {
      cwd: ROOT,
      encoding: 'utf8',
      env: { ...process.env, MAKEFLAGS: '' },
    },
  );
  return { status, output: stdout };
}

/** How long something took is different every time. */
const timeless = (text: string): string => text.replace(/after \d+ ms/g, 'after N ms');

afterAll(() => {
  run('make lab-down');
});

describe('README.md', () => {
  it('shows commands', () => {
    expect(shown.map(({ command }) => command)).toContain('make lab');
    expect(shown.map(({ command }) => command)).toContain('make test');
  });

  it.each(shown.filter(({ command }) => !NOT_RUN.includes(command)))(
    'shows what comes of "$command"',
    ({ command, output }) => {
      const seen = run(command);
      expect(timeless(seen.output)).toContain(timeless(output));
      expect(seen.status).toBe(0);
      // What the lab offers to try works as well.
      for (const [, offer = ''] of output.matchAll(/^ {2}(ip netns exec .*)$/gm)) {
        expect(run(offer)).toMatchObject({ status: 0, output: expect.stringMatching(/\S/) });
      }
    },
  );
});
