import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRtNetlink, RawNetlinkSocket } from 'netlink';
import { rolldown } from 'rolldown';
import { Batch } from '../../src/netlink/nftables/batch.ts';
import { NftablesConnection } from '../../src/netlink/nftables/connection.ts';
import { elementList } from '../../src/netlink/nftables/list.ts';
import { RouteConnection } from '../../src/netlink/route/connection.ts';
import { linkAdd, linkList, linkSet } from '../../src/netlink/route/link.ts';
import { Subscription } from '../../src/netlink/subscription.ts';
import { createNamedNetns, deleteNamedNetns, Netns } from '../../src/sys/netns.ts';
import {
  type AsyncCandidate,
  interleave,
  interleaveAsync,
  type Sample,
  sampleOf,
  timeAsyncMs,
  timeMs,
} from './measure.ts';
import { ELEMENT_COUNT, elementAt, elementText, MAP, TABLE } from './netlink-map.ts';
import { publish } from './report.ts';

/*
 * Our netlink beside the programs ip(8) and nft(8) and the npm package `netlink`: listing and making
 * links, filling a map, changing one element of it, and hearing of changes on the event loop.
 */

const LINKS = 1000;
const ROUNDS_MANY = 21;
const ROUNDS_FEW = 5;
const INSERTS = 20_000;
const EVENTS = 1000;
const NETLINK_ROUTE = 0;
const RTNLGRP_LINK = 1;
/** What npm's socket wants to be told; ours has 8 MiB for events. */
const BUFFERS = { recvBufferSize: 8 << 20, sendBufferSize: 1 << 20 };

const directory = mkdtempSync(join(tmpdir(), 'podwire-bench-netlink-'));
let made = 0;

/** Does `work` in a namespace of its own. */
async function inNetns<T>(work: (netns: Netns, path: string) => Promise<T> | T): Promise<T> {
  made += 1;
  const path = `/run/netns/podwire-bench-${process.pid}-${made}`;
  createNamedNetns(path);
  try {
    using netns = Netns.open(path);
    return await work(netns, path);
  } finally {
    deleteNamedNetns(path);
  }
}

/** Runs a program inside `netns` and gives its output. */
function run(netns: Netns, file: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr } = netns.run(() =>
    spawnSync(file, args, { encoding: 'utf8', input, maxBuffer: 1 << 28 }),
  );
  if (status !== 0) throw new Error(`${file} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

function expectCount(what: string, count: number, expected: number): void {
  if (count !== expected) throw new Error(`${what}: ${count}, expected ${expected}`);
}

/** An attribute as npm's package takes what it has no type for. */
function attribute(id: number, payload: Buffer): Buffer {
  const bytes = Buffer.alloc(4 + ((payload.length + 3) & ~3));
  bytes.writeUInt16LE(4 + payload.length, 0);
  bytes.writeUInt16LE(id, 2);
  payload.copy(bytes, 4);
  return bytes;
}

/** A veth pair for npm's package: IFLA_INFO_KIND, and in IFLA_INFO_DATA a whole link message. */
function npmVeth(index: number) {
  const name = attribute(3, Buffer.from(`p${index}\0`)); // IFLA_IFNAME
  const peer = attribute(1, Buffer.concat([Buffer.alloc(16), name])); // VETH_INFO_PEER
  const linkinfo = Buffer.concat([attribute(1, Buffer.from('veth\0')), attribute(2, peer)]);
  return { ifname: `v${index}`, linkinfo };
}

function benchDump(): Promise<Sample[]> {
  return inNetns(async (netns) => {
    using connection = RouteConnection.open(netns);
    for (let index = 0; index < LINKS / 2; index += 1) {
      linkAdd(connection, { name: `v${index}`, kind: 'veth', peer: { name: `p${index}` } });
    }
    const npm = netns.run(() => createRtNetlink(BUFFERS));
    const check = (count: number): void => expectCount('links', count, LINKS + 1);
    const samples = await interleaveAsync(
      [
        {
          name: 'podwire',
          run: async () => timeMs(() => check(linkList(connection).length)),
        },
        {
          name: 'npm netlink',
          run: () => timeAsyncMs(async () => check((await npm.getLinks()).length)),
        },
        {
          name: '`ip -d -j link`',
          run: async () =>
            timeMs(() => check((JSON.parse(run(netns, 'ip', ['-d', '-j', 'link'])) as []).length)),
        },
      ],
      ROUNDS_MANY,
    );
    npm.socket.close();
    return samples;
  });
}

function benchVeth(): Promise<Sample[]> {
  const indexes = Array.from({ length: LINKS }, (_, index) => index);
  const script = indexes.map((index) => `link add v${index} type veth peer p${index}\n`).join('');
  const candidate = (
    name: string,
    add: (netns: Netns) => Promise<void> | void,
  ): AsyncCandidate => ({
    name,
    run: () =>
      inNetns(async (netns) => {
        const ms = await timeAsyncMs(async () => add(netns));
        using connection = RouteConnection.open(netns);
        expectCount('links', linkList(connection).length, 2 * LINKS + 1);
        return ms;
      }),
  });
  return interleaveAsync(
    [
      candidate('podwire', (netns) => {
        using connection = RouteConnection.open(netns);
        for (const index of indexes) {
          linkAdd(connection, { name: `v${index}`, kind: 'veth', peer: { name: `p${index}` } });
        }
      }),
      candidate('npm netlink', async (netns) => {
        const npm = netns.run(() => createRtNetlink(BUFFERS));
        const flags = 0x600; // NLM_F_CREATE | NLM_F_EXCL
        for (const index of indexes) await npm.newLink({}, npmVeth(index), { flags });
        npm.socket.close();
      }),
      candidate('`ip -batch`, one process', (netns) => {
        run(netns, 'ip', ['-batch', '-'], script);
      }),
    ],
    ROUNDS_FEW,
  );
}

/** A table with the empty map. */
function makeMap(netns: Netns): void {
  using connection = NftablesConnection.open(netns);
  const batch = new Batch(connection);
  batch.tableAdd(TABLE);
  batch.setAdd(TABLE, MAP);
  batch.commit();
}

/** The process that fills the map as it ships: one file of JavaScript. */
async function bundleLoad(): Promise<string> {
  const file = join(directory, 'load.mjs');
  const bundle = await rolldown({
    input: join(import.meta.dirname, 'netlink-load.ts'),
    platform: 'node',
    logLevel: 'silent',
  });
  await bundle.write({ file, format: 'esm', codeSplitting: false });
  await bundle.close();
  return file;
}

async function benchLoad(): Promise<{ times: Sample[]; sizes: Sample }> {
  const load = await bundleLoad();
  const rules = join(directory, 'elements.nft');
  const elements = Array.from({ length: ELEMENT_COUNT }, (_, index) => elementText(index));
  writeFileSync(rules, `add element ip bench endpoints { ${elements.join(', ')} }\n`);
  const sizesMiB: number[] = [];
  const candidate = (name: string, fill: (netns: Netns, path: string) => number) => ({
    name,
    run: () =>
      inNetns((netns, path) => {
        makeMap(netns);
        const ms = fill(netns, path);
        using connection = NftablesConnection.open(netns);
        expectCount('elements', elementList(connection, TABLE, MAP).length, ELEMENT_COUNT);
        return ms;
      }),
  });
  const times = await interleaveAsync(
    [
      candidate('podwire', (_netns, path) => {
        const args = ['--no-warnings', load, path];
        const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
        if (stdout === '') throw new Error(stderr);
        const { ms, peakKib } = JSON.parse(stdout) as { ms: number; peakKib: number };
        sizesMiB.push(peakKib / 1024);
        return ms;
      }),
      candidate('`nft -f`', (netns) => timeMs(() => run(netns, 'nft', ['-f', rules]))),
    ],
    ROUNDS_FEW,
  );
  return { times, sizes: sampleOf('podwire, the whole process', sizesMiB) };
}

function benchInsert(): Promise<Sample[]> {
  return inNetns((netns) => {
    makeMap(netns);
    using connection = NftablesConnection.open(netns);
    const insert = (index: number): void => {
      const batch = new Batch(connection);
      batch.elementsAdd(TABLE, MAP, [elementAt(index)]);
      batch.commit();
    };
    let next = 0;
    // As many of ours as tell, between processes of nft(8), which take a thousand times as long.
    const ours: number[] = [];
    const [, theirs] = interleave(
      [
        {
          name: 'podwire',
          run: () => {
            for (let count = 0; count < INSERTS / ROUNDS_MANY; count += 1) {
              next += 1;
              ours.push(timeMs(() => insert(next)) * 1000);
            }
            return 0;
          },
        },
        {
          name: '`nft add element`',
          run: () => {
            next += 1;
            const element = `{ ${elementText(next)} }`;
            const args = ['add', 'element', 'ip', TABLE.name, MAP.name, element];
            return timeMs(() => run(netns, 'nft', args)) * 1000;
          },
        },
      ],
      ROUNDS_MANY,
    );
    if (theirs === undefined) throw new Error('nft was not measured');
    return [sampleOf('podwire', ours), theirs];
  });
}

/** Something that calls back for every event, and how to end it. */
type Listen = (netns: Netns, onEvent: () => void) => () => void;

const listenPodwire: Listen = (netns, onEvent) => {
  const subscription = Subscription.open({
    protocol: NETLINK_ROUTE,
    groups: [RTNLGRP_LINK],
    netns,
    onMessage: onEvent,
    onLost: () => {
      throw new Error('podwire lost events');
    },
  });
  return () => subscription.close();
};

const listenNpm: Listen = (netns, onEvent) => {
  const socket = netns.run(() => new RawNetlinkSocket(NETLINK_ROUTE, BUFFERS));
  socket.addMembership(RTNLGRP_LINK);
  socket.on('message', onEvent);
  return () => socket.close();
};

/** Microseconds for an event: one after the other, or many at once. */
function benchEvents(burst: number): Promise<Sample[]> {
  const candidate = (name: string, listen: Listen): AsyncCandidate => ({
    name,
    run: () =>
      inNetns(async (netns) => {
        using connection = RouteConnection.open(netns);
        let [seen, wanted] = [0, 0];
        let arrived = Promise.withResolvers<void>();
        const stop = listen(netns, () => {
          seen += 1;
          if (seen === wanted) arrived.resolve();
        });
        // An event each: the loopback's MTU, which changes every time.
        let mtu = 2000;
        const ms = await timeAsyncMs(async () => {
          for (let round = 0; round < EVENTS / burst; round += 1) {
            wanted += burst;
            arrived = Promise.withResolvers();
            for (let count = 0; count < burst; count += 1) {
              mtu += 1;
              linkSet(connection, 1, { mtu });
            }
            await arrived.promise;
          }
        });
        stop();
        return (ms * 1000) / EVENTS;
      }),
  });
  return interleaveAsync(
    [candidate('podwire', listenPodwire), candidate('npm netlink, raw socket', listenNpm)],
    ROUNDS_MANY,
  );
}

const ratio = (samples: readonly Sample[], name: string): number => {
  const peer = samples.find((sample) => sample.name === name);
  return (samples[0]?.median ?? Number.NaN) / (peer?.median ?? Number.NaN);
};

try {
  const dump = await benchDump();
  const veth = await benchVeth();
  const { times, sizes } = await benchLoad();
  const insert = await benchInsert();
  const single = await benchEvents(1);
  const burst = await benchEvents(100);
  publish({
    name: 'bench-netlink',
    tables: [
      { title: 'dump 1,000 links', unit: 'ms', samples: dump },
      { title: 'add 1,000 veth pairs', unit: 'ms', samples: veth },
      { title: 'insert 100,000 map elements', unit: 'ms', samples: times },
      { title: 'the memory of it', unit: 'MiB', samples: [sizes] },
      { title: 'insert one element, with its ack', unit: 'us', samples: insert },
      { title: 'hear of one change and make the next', unit: 'us', samples: single },
      { title: 'hear of 100 changes at once, for each', unit: 'us', samples: burst },
    ],
    goals: [
      {
        text: 'insert 100,000 map elements, ms',
        figure: times[0]?.median ?? Number.NaN,
        limit: 1000,
      },
      { text: 'in a process of so many MiB', figure: sizes.median, limit: 100 },
      {
        text: 'insert one element with its ack, us',
        figure: insert[0]?.median ?? Number.NaN,
        limit: 30,
      },
      {
        text: 'dump 1,000 links: time beside `ip`',
        figure: ratio(dump, '`ip -d -j link`'),
        limit: 1,
      },
      {
        text: 'dump 1,000 links: time beside npm netlink',
        figure: ratio(dump, 'npm netlink'),
        limit: 1,
      },
      {
        text: 'add 1,000 veth pairs: time beside one `ip` process',
        figure: ratio(veth, '`ip -batch`, one process'),
        limit: 1.1,
      },
    ],
  });
} finally {
  rmSync(directory, { recursive: true, force: true });
}
