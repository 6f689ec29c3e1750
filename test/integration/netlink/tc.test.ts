import { describe, expect, it } from 'vitest';
import { RouteConnection } from '../../../src/netlink/route/connection.ts';
import {
  type ClassSpec,
  classAdd,
  classDel,
  classList,
  classReplace,
  type TrafficClass,
} from '../../../src/netlink/tc/class.ts';
import { filterAdd, filterDel, filterList, filterReplace } from '../../../src/netlink/tc/filter.ts';
import { TC_CLSACT_EGRESS, tcHandle } from '../../../src/netlink/tc/handle.ts';
import { ETH_P_IP } from '../../../src/netlink/tc/protocol.ts';
import {
  type QdiscSpec,
  qdiscAdd,
  qdiscDel,
  qdiscList,
  qdiscReplace,
} from '../../../src/netlink/tc/qdisc.ts';
import { tbfLimitBytes } from '../../../src/netlink/tc/tbf.ts';
import { BpfProgram, instruction, PROGRAM_SCHED_CLS } from '../../../src/sys/bpf.ts';
import { useNetns } from '../netns-fixture.ts';
import {
  filterCase,
  filterComparison,
  GIVEN,
  handleText,
  I0,
  qdiscComparison,
  V0,
  wholeMicroseconds,
} from './tc-witness.ts';
import { type Printed, run, type WitnessCase, witness } from './witness.ts';

type Spec = QdiscSpec extends infer S
  ? S extends QdiscSpec
    ? Omit<S, 'linkIndex'>
    : never
  : never;

function qdisc(title: string, spec: Spec, theirs: string): WitnessCase {
  return {
    title,
    given: GIVEN,
    ours: (connection) => {
      expect(qdiscAdd(connection, { ...spec, linkIndex: V0 })).toBe(true);
    },
    theirs: [`tc qdisc add dev v0 ${theirs}`],
    shown: 'tc -j qdisc show dev v0',
  };
}

const TBF = { bytesPerSecond: 1_000_000, burstBytes: 10_240 };
const HTB = 'tc qdisc add dev v0 root handle 1: htb';
const IN = 'tc qdisc add dev v0 ingress';
const CLSACT = 'tc qdisc add dev v0 clsact';

describe('a qdisc as of tc qdisc', () => {
  witness(
    'qdisc',
    [
      qdisc(
        'tbf',
        { kind: 'tbf', handle: tcHandle(1), tbf: { ...TBF, limitBytes: tbfLimitBytes(TBF, 25) } },
        'root handle 1: tbf rate 8mbit burst 10240 latency 25ms',
      ),
      qdisc(
        'tbf with a peak rate',
        {
          kind: 'tbf',
          handle: tcHandle(1),
          tbf: { ...TBF, limitBytes: 100_000, peakBytesPerSecond: 2_000_000, peakBurstBytes: 1600 },
        },
        'root handle 1: tbf rate 8mbit burst 10240 limit 100000 peakrate 16mbit minburst 1600',
      ),
      qdisc(
        'tbf of more than 32 bits',
        {
          kind: 'tbf',
          handle: tcHandle(1),
          tbf: { bytesPerSecond: 6_250_000_000, burstBytes: 100_000, limitBytes: 200_000 },
        },
        'root handle 1: tbf rate 50gbit burst 100000 limit 200000',
      ),
      qdisc('htb', { kind: 'htb', handle: tcHandle(1) }, 'root handle 1: htb'),
      qdisc(
        'htb with settings',
        {
          kind: 'htb',
          handle: tcHandle(1),
          htb: { defaultClass: 0x10, rateToQuantum: 7, directQlen: 55 },
        },
        'root handle 1: htb default 0x10 r2q 7 direct_qlen 55',
      ),
      qdisc('ingress', { kind: 'ingress' }, 'ingress'),
      qdisc('clsact', { kind: 'clsact' }, 'clsact'),
      {
        ...qdisc('tbf below htb', { kind: 'ingress' }, 'ingress'),
        given: [...GIVEN, HTB, 'tc class add dev v0 parent 1: classid 1:5 htb rate 8mbit'],
        ours: (connection) =>
          qdiscReplace(connection, {
            linkIndex: V0,
            parent: tcHandle(1, 5),
            handle: tcHandle(7),
            kind: 'tbf',
            tbf: { ...TBF, limitBytes: 50_000 },
          }),
        theirs: [
          'tc qdisc replace dev v0 parent 1:5 handle 7: tbf rate 8mbit burst 10240 limit 50000',
        ],
      },
    ],
    qdiscComparison,
  );
});

/** tc(8) has no JSON for classes of HTB: its line, with the units taken away. */
function classLine({ classId, parent, htb }: TrafficClass): Printed {
  return {
    class: handleText(classId),
    parent: parent === 0xffff_ffff ? 'root' : handleText(parent),
    rate: htb?.bytesPerSecond,
    ceil: htb?.ceilBytesPerSecond,
    burst: htb && wholeMicroseconds(htb.burstBytes, htb.bytesPerSecond),
    cburst: htb && wholeMicroseconds(htb.ceilBurstBytes, htb.ceilBytesPerSecond),
    prio: htb?.priority,
    quantum: htb?.quantumBytes,
  };
}

function parseClasses(text: string): Printed[] {
  const bits: Readonly<Record<string, number>> = { bit: 1, Kbit: 1e3, Mbit: 1e6, Gbit: 1e9 };
  const octets: Readonly<Record<string, number>> = { b: 1, Kb: 1024, Mb: 1024 * 1024 };
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [, kind, classId, place, ...rest] = line.split(' ');
      expect(kind).toBe('htb');
      const word = (name: string): string => rest[rest.indexOf(name) + 1] ?? '';
      const scaled = (name: string, units: Readonly<Record<string, number>>): number => {
        const [, number, unit = ''] = /^(\d+)([A-Za-z]*)/.exec(word(name)) ?? [];
        return Number(number) * (units[unit] ?? Number.NaN);
      };
      const hasQuantum = rest.includes('quantum');
      return {
        class: classId,
        parent: place === 'root' ? 'root' : (rest[0] ?? ''),
        rate: scaled('rate', bits) / 8,
        ceil: scaled('ceil', bits) / 8,
        burst: scaled('burst', octets),
        cburst: scaled('cburst', octets),
        ...(hasQuantum ? { prio: Number(word('prio')), quantum: Number(word('quantum')) } : {}),
      };
    });
}

function trafficClass(
  title: string,
  spec: Omit<ClassSpec, 'linkIndex' | 'kind'>,
  theirs: string,
): WitnessCase {
  return {
    title,
    given: [...GIVEN, HTB],
    ours: (connection) => {
      expect(classAdd(connection, { ...spec, linkIndex: V0, kind: 'htb' })).toBe(true);
    },
    theirs: [`tc class add dev v0 ${theirs}`],
    shown: 'tc -d class show dev v0',
  };
}

describe('a class as of tc class', () => {
  witness(
    'class',
    [
      trafficClass(
        'with a rate alone',
        { parent: tcHandle(1), classId: tcHandle(1, 5), htb: { bytesPerSecond: 125_000 } },
        'parent 1: classid 1:5 htb rate 1mbit',
      ),
      trafficClass(
        'with all settings',
        {
          parent: tcHandle(1),
          classId: tcHandle(1, 0x10),
          htb: {
            bytesPerSecond: 1_000_000,
            ceilBytesPerSecond: 2_000_000,
            burstBytes: 15_360,
            ceilBurstBytes: 16_384,
            quantumBytes: 3000,
            priority: 3,
          },
        },
        'parent 1: classid 1:10 htb rate 8mbit ceil 16mbit burst 15k cburst 16k quantum 3000 prio 3',
      ),
      trafficClass(
        'of more than 32 bits',
        {
          parent: tcHandle(1),
          classId: tcHandle(1, 5),
          htb: {
            bytesPerSecond: 6_250_000_000,
            burstBytes: 102_400,
            ceilBurstBytes: 102_400,
            quantumBytes: 9000,
          },
        },
        'parent 1: classid 1:5 htb rate 50gbit burst 100k cburst 100k quantum 9000',
      ),
    ],
    { seen: (connection) => classList(connection, V0).map(classLine), parse: parseClasses },
  );

  const fixture = useNetns('tc-class');

  it('is there or gone, may be changed, and lies in another one', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of [...GIVEN, HTB]) run(fixture, line);
    const outer = {
      linkIndex: V0,
      parent: tcHandle(1),
      classId: tcHandle(1, 1),
      kind: 'htb' as const,
      htb: { bytesPerSecond: 1_000_000 },
    };
    const inner = { ...outer, parent: outer.classId, classId: tcHandle(1, 2) };
    expect(classAdd(connection, outer)).toBe(true);
    expect(classAdd(connection, outer)).toBe(false);
    classAdd(connection, inner);
    classReplace(connection, { ...inner, htb: { bytesPerSecond: 500_000 } });
    expect(
      classList(connection, V0).map(({ classId, parent, htb }) => [
        classId,
        parent,
        htb?.bytesPerSecond,
      ]),
    ).toEqual(
      expect.arrayContaining([
        [outer.classId, 0xffff_ffff, 1_000_000],
        [inner.classId, outer.classId, 500_000],
      ]),
    );
    expect(() => classDel(connection, V0, outer.classId)).toThrow(/EBUSY/);
    expect(classDel(connection, V0, inner.classId)).toBe(true);
    expect(classDel(connection, V0, inner.classId)).toBe(false);
  });
});

const u32 = { keys: [{ value: 0, mask: 0, offsetBytes: 0 }] };
const toIfb = {
  kind: 'mirred',
  mirred: { mode: 'redirect', direction: 'egress', linkIndex: I0 },
} as const;

describe('a filter as of tc filter', () => {
  witness(
    'filter',
    [
      filterCase(
        'u32 that sends all to an ifb',
        'parent ffff:',
        (connection, place) =>
          filterAdd(connection, { ...place, kind: 'u32', u32, actions: [toIfb] }),
        'protocol all u32 match u32 0 0 action mirred egress redirect dev i0',
        [IN],
      ),
      filterCase(
        'u32 with several keys, a priority and a class',
        'parent 1:',
        (connection, place) =>
          filterAdd(connection, {
            ...place,
            priority: 5,
            protocol: ETH_P_IP,
            classId: tcHandle(1, 1),
            kind: 'u32',
            u32: {
              keys: [
                { value: 0x0a01_0200, mask: 0xffff_ff00, offsetBytes: 16 },
                { value: 0x6_0000, mask: 0xff_0000, offsetBytes: 8 },
              ],
            },
          }),
        'protocol ip prio 5 u32 match ip dst 10.1.2.0/24 match ip protocol 6 0xff flowid 1:1',
        [HTB],
      ),
      ...(['ingress', 'egress'] as const).flatMap((direction) =>
        (['redirect', 'mirror'] as const).map((mode) =>
          filterCase(
            `u32 of clsact, ${mode} to ${direction}`,
            'egress',
            (connection, place) =>
              filterAdd(connection, {
                ...place,
                kind: 'u32',
                u32,
                actions: [{ kind: 'mirred', mirred: { mode, direction, linkIndex: I0 } }],
              }),
            `protocol all u32 match u32 0 0 action mirred ${direction} ${mode} dev i0`,
            [CLSACT],
          ),
        ),
      ),
      filterCase(
        'u32 with two actions',
        'ingress',
        (connection, place) =>
          filterAdd(connection, {
            ...place,
            kind: 'u32',
            u32,
            actions: [
              { kind: 'mirred', mirred: { mode: 'mirror', direction: 'egress', linkIndex: I0 } },
              { kind: 'mirred', mirred: { mode: 'redirect', direction: 'ingress', linkIndex: 2 } },
            ],
          }),
        'protocol all u32 match u32 0 0 action mirred egress mirror dev i0 action mirred ingress redirect dev v1',
        [CLSACT],
      ),
    ],
    filterComparison,
  );
});

describe('a filter', () => {
  const fixture = useNetns('tc');

  it('is there or gone, and adding and deleting say whether it was', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of [...GIVEN, CLSACT]) run(fixture, line);
    const place = { linkIndex: V0, parent: TC_CLSACT_EGRESS, priority: 7 };
    const spec = { ...place, handle: 0x8000_0001, kind: 'u32', u32, actions: [toIfb] } as const;
    expect(filterDel(connection, place)).toBe(false);
    expect(filterAdd(connection, spec)).toBe(true);
    expect(filterAdd(connection, spec)).toBe(false);
    filterReplace(connection, { ...spec, actions: [] });
    const filters = (): number[] =>
      filterList(connection, place)
        .filter(({ u32: each }) => each?.keys.length)
        .map(({ actions }) => actions.length);
    expect(filters()).toHaveLength(1);
    expect(filterDel(connection, place)).toBe(true);
    expect(filterDel(connection, place)).toBe(false);
    expect(filterList(connection, place)).toEqual([]);
  });

  it('is a BPF program, by its descriptor', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of [...GIVEN, CLSACT]) run(fixture, line);
    const place = { linkIndex: V0, parent: TC_CLSACT_EGRESS };
    using program = BpfProgram.load({
      type: PROGRAM_SCHED_CLS,
      instructions: [instruction(0xb7, 0, 0, 0, 0), instruction(0x95, 0, 0, 0, 0)],
      name: 'podwire_tc',
      license: 'GPL',
    });
    filterAdd(connection, {
      ...place,
      handle: 1,
      kind: 'bpf',
      bpf: { fd: program.fd, name: 'podwire:test', directAction: true },
    });
    const [, shown] = JSON.parse(run(fixture, 'tc -j filter show dev v0 egress')) as Printed[];
    const [, found] = filterList(connection, place);
    expect(shown).toMatchObject({
      kind: 'bpf',
      options: {
        handle: '0x1',
        bpf_name: 'podwire:test',
        'direct-action': true,
        prog: {
          id: found?.bpf?.programId,
          name: 'podwire_tc',
          tag: Buffer.from(found?.bpf?.tag ?? []).toString('hex'),
        },
      },
    });
    expect(found).toMatchObject({
      kind: 'bpf',
      handle: 1,
      bpf: { name: 'podwire:test', directAction: true },
    });
  });

  it('of classic BPF is read as tc made it', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of [...GIVEN, HTB]) run(fixture, line);
    fixture.exec(
      'tc',
      'filter',
      'add',
      'dev',
      'v0',
      'parent',
      '1:',
      'bpf',
      'bytecode',
      '1,6 0 0 0',
      'flowid',
      '1:1',
    );
    const [, found] = filterList(connection, { linkIndex: V0, parent: tcHandle(1) });
    expect(found).toMatchObject({
      kind: 'bpf',
      classId: tcHandle(1, 1),
      bpf: { directAction: false, programId: undefined },
    });
  });
});

describe('a qdisc', () => {
  const fixture = useNetns('tc-qdisc');

  it('is there or gone, and adding and deleting say whether it was', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of GIVEN) run(fixture, line);
    const tbf = {
      linkIndex: V0,
      handle: tcHandle(1),
      kind: 'tbf' as const,
      tbf: { ...TBF, limitBytes: 50_000 },
    };
    expect(qdiscDel(connection, { linkIndex: V0 })).toBe(false);
    expect(qdiscAdd(connection, tbf)).toBe(true);
    expect(qdiscAdd(connection, tbf)).toBe(false);
    qdiscReplace(connection, { ...tbf, tbf: { ...tbf.tbf, bytesPerSecond: 500_000 } });
    expect(qdiscList(connection, V0)).toMatchObject([{ tbf: { bytesPerSecond: 500_000 } }]);
    expect(qdiscDel(connection, { linkIndex: V0 })).toBe(true);
    expect(qdiscAdd(connection, { linkIndex: V0, kind: 'clsact' })).toBe(true);
    expect(qdiscAdd(connection, { linkIndex: V0, kind: 'clsact' })).toBe(false);
    expect(qdiscDel(connection, { linkIndex: V0, parent: 0xffff_fff1 })).toBe(true);
    expect(qdiscDel(connection, { linkIndex: V0, parent: 0xffff_fff1 })).toBe(false);
  });

  it('counts what tc -s counts, and drops what is over its limit', () => {
    using connection = RouteConnection.open(fixture.netns);
    for (const line of [
      ...GIVEN,
      'ip link set v0 up',
      'ip link set v1 up',
      'ip addr add 10.9.0.1/24 dev v0',
      'ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev v0',
    ]) {
      run(fixture, line);
    }
    qdiscAdd(connection, {
      linkIndex: V0,
      kind: 'tbf',
      tbf: { bytesPerSecond: 1000, burstBytes: 2000, limitBytes: 2000 },
    });
    // Five packets at once, where the bucket has room for one.
    try {
      run(fixture, 'ping -q -c 5 -l 5 -s 1400 -w 1 10.9.0.2');
    } catch {
      // Nobody answers.
    }
    const [shown] = JSON.parse(run(fixture, 'tc -j -s qdisc show dev v0')) as Printed[];
    const stats = qdiscList(connection, V0)[0]?.stats;
    expect(stats?.drops).toBeGreaterThan(0);
    expect(stats).toEqual({
      bytes: BigInt(Number(shown?.bytes)),
      packets: shown?.packets,
      drops: shown?.drops,
      overlimits: shown?.overlimits,
      requeues: shown?.requeues,
      qlen: shown?.qlen,
      backlogBytes: shown?.backlog,
    });
  });
});
