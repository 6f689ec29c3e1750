import { describe, expect, it, vi } from 'vitest';
import { openLog } from './log.ts';
import { MemoryKeeper } from './memory.ts';

const MB = 1 << 20;

/** Looks at sizes in MB, one every two seconds; what is given back leaves half. Gives when that was. */
function looks(...sizes: number[]): number[] {
  const givenBack: number[] = [];
  let size = 0;
  const memory = {
    size: () => size,
    giveBack: vi.fn(() => {
      size /= 2;
    }),
  };
  using keeper = new MemoryKeeper(openLog('silent'), memory);
  sizes.forEach((mb, index) => {
    size = mb * MB;
    keeper.look(index * 2_000);
    if (memory.giveBack.mock.calls.length > givenBack.length) givenBack.push(index);
  });
  return givenBack;
}

describe('MemoryKeeper', () => {
  it('gives back what the start took, once the process is at rest', () => {
    expect(looks(80, 120, 150, 150, 75, 75)).toEqual([3]);
  });

  it('gives back again after growth, but not of a little and not soon', () => {
    const rest = Array.from({ length: 30 }, () => 75);
    expect(looks(150, 150, ...rest, 80, 80, 200, 200)).toEqual([1, 35]);
    expect(looks(150, 150, 200, 200, 200)).toEqual([1]);
  });
});
