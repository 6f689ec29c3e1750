import { describe, expect, it } from 'vitest';
import { DEFAULT_NODE_RULES } from '../node.ts';
import { changesOfAll } from './changes.ts';
import { scriptOf } from './script.ts';

describe('scriptOf', () => {
  it.each(['nft', 'legacy'] as const)('begins with whose the rules are, %s', (flavour) => {
    const settings = { node: DEFAULT_NODE_RULES, isLiberal: false };
    const [first, ...others] = scriptOf(changesOfAll(4, new Map(), [], settings), flavour)
      .split('COMMIT\n')
      .filter(Boolean);
    expect(first?.split('\n').filter(Boolean)).toEqual([
      '*nat',
      ':KUBE-PROXY-CANARY - [0:0]',
      '-A KUBE-PROXY-CANARY -m comment --comment podwire',
    ]);
    expect(others.map((text) => text.split('\n')[0])).toEqual([
      '*mangle',
      '*filter',
      '*nat',
      '*filter',
    ]);
    expect(others.join('')).not.toContain('-A KUBE-PROXY-CANARY');
  });
});
