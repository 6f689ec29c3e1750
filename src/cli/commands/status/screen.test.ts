import { describe, expect, it } from 'vitest';
import { frame, Screen } from './screen.ts';

/** The lines that are shown, without what clears behind them. */
const shown = (text: string, columns: number, rows: number) =>
  frame(text, columns, rows)
    .split('\r\n')
    .map((line) => line.replace('\x1b[K', ''));

describe('frame', () => {
  it('cuts what there is no room for, and says so', () => {
    expect(shown('one\ntwo\nthree\nfour\n', 3, 3)).toEqual(['one', 'two', '...']);
    expect(shown('one\ntwo\nthree\nfour\n', 80, 3)).toEqual(['one', 'two', '... 2 lines more']);
    expect(shown('one\ntwo\n', 80, 2)).toEqual(['one', 'two']);
  });

  it('lets no text command the terminal', () => {
    expect(shown('a\x1b]0;b\x07\n', 80, 3)).toEqual(['a?]0;b?']);
  });
});

describe('Screen', () => {
  it('leaves the terminal as it was, and takes one that knows no size for a usual one', () => {
    const written: string[] = [];
    const terminal = { columns: 0, rows: 0, write: (text: string) => written.push(text) };
    {
      using screen = new Screen(terminal);
      screen.draw('a line\n');
    }
    expect(written).toHaveLength(3);
    expect(written[0]).toContain('\x1b[?1049h');
    expect(written[1]).toContain('a line');
    expect(written[2]).toContain('\x1b[?1049l');
  });
});
