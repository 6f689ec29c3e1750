import { describe, expect, it } from 'vitest';
import { Batch } from '../../../../src/netlink/nftables/batch.ts';
import { NftablesConnection } from '../../../../src/netlink/nftables/connection.ts';
import type { Expression } from '../../../../src/netlink/nftables/expression/expression.ts';
import { ruleList } from '../../../../src/netlink/nftables/list.ts';
import { useNetns } from '../../netns-fixture.ts';
import { Nft } from './nft.ts';
import { RULE_CASES, SURROUNDINGS } from './rule-cases.ts';

const fixture = useNetns('nftrules');

/** Lookups name sets without a name by a number the kernel gave them, and by none when sent. */
function comparable(expressions: readonly Expression[]): unknown {
  return JSON.parse(
    JSON.stringify(expressions, (key, value: unknown) => {
      if (key === 'setId') return undefined;
      if (key === 'set') return String(value).replace(/^__(set|map)\d+$/, '__$1%d');
      if (typeof value === 'bigint') return `${value}n`;
      return value instanceof Uint8Array ? value.toHex() : value;
    }),
  );
}

describe('a rule of ours is the one nft(8) makes of the same words', () => {
  it.each(RULE_CASES)('$family $hook.hook: $text', ({ family, hook, text, expressions }) => {
    const nft = new Nft(fixture);
    const devices = hook?.devices === undefined ? '' : `device "${hook.devices[0]}"`;
    const base =
      hook === undefined
        ? ''
        : `type ${hook.type} hook ${hook.hook} ${devices} priority ${hook.priority};`;
    const surroundings = SURROUNDINGS[family] ?? '';
    nft.load(
      ['theirs', 'ours']
        .map((name) => `table ${family} ${name} {${surroundings}\n chain c { ${base} }\n}`)
        .join('\n'),
    );
    nft.load(`add rule ${family} theirs c ${text} comment "why"`);

    using connection = NftablesConnection.open(fixture.netns);
    const ours = { family, name: 'ours' };
    const batch = new Batch(connection);
    const sent = expressions((set, elements) => batch.anonymousSetAdd(ours, set, elements));
    batch.ruleAdd(ours, 'c', { expressions: sent, comment: 'why' });
    batch.commit();

    // What it prints is what we sent, and what we list of its own is that too.
    expect(nft.table(family, 'ours', 't')).toEqual(nft.table(family, 'theirs', 't'));
    for (const name of ['ours', 'theirs']) {
      const [rule, ...others] = ruleList(connection, { family, name });
      expect(others).toEqual([]);
      expect(rule?.comment).toBe('why');
      expect(comparable(rule?.expressions ?? [])).toEqual(comparable(sent));
    }
    nft.expectReloads();
    const [again] = ruleList(connection, ours);
    expect(comparable(again?.expressions ?? [])).toEqual(comparable(sent));
  });
});
