import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { peerMissing, peerProgram } from '../peers/peer.ts';
import { type Candidate, interleave, timeMs } from './measure.ts';
import { publish } from './report.ts';

/*
 * How long a plugin's process takes from start to end: VERSION, which does nothing else, and an ADD
 * with its DEL of host-local, the smallest real work.
 */

const ROUNDS = 51;
const ours = (type: string): string => join(import.meta.dirname, '../../dist/cni', type);
const theirs = (type: string): string => peerProgram('cni-plugins', type);
const dataDir = mkdtempSync(join(tmpdir(), 'podwire-bench-'));

function run(file: string, args: readonly string[], verb: string, network: string): void {
  const config = {
    cniVersion: '1.0.0',
    name: network,
    type: 'host-local',
    ipam: { type: 'host-local', dataDir, subnet: '10.1.0.0/16' },
  };
  const { status, stdout, stderr } = spawnSync(file, args, {
    env: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: 'bench',
      CNI_NETNS: '/run/netns/none',
      CNI_IFNAME: 'eth0',
      CNI_PATH: '/nowhere',
    },
    input: JSON.stringify(config),
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${file} ${verb}: ${stdout}${stderr}`);
}

const version = (name: string, file: string, args: readonly string[] = []): Candidate => ({
  name,
  run: () => timeMs(() => run(file, args, 'VERSION', 'net')),
});
const addDel = (name: string, file: string, network: string): Candidate => ({
  name,
  run: () =>
    timeMs(() => {
      run(file, [], 'ADD', network);
      run(file, [], 'DEL', network);
    }),
});

const missing = peerMissing('cni-plugins');
if (missing !== undefined) process.stdout.write(`skipped: the reference plugins: ${missing}\n`);
const withPeer = (candidate: Candidate): Candidate[] => (missing === undefined ? [candidate] : []);

try {
  const starts = interleave(
    [
      version('podwire bridge', ours('bridge')),
      version('an empty program under the same Node', process.execPath, ['-e', '0']),
      ...withPeer(version('reference bridge v1.9.1 (Go)', theirs('bridge'))),
    ],
    ROUNDS,
  );
  const work = interleave(
    [
      addDel('podwire host-local', ours('host-local'), 'podwire'),
      ...withPeer(addDel('reference host-local v1.9.1 (Go)', theirs('host-local'), 'reference')),
    ],
    ROUNDS,
  );
  const [plugin, empty] = starts.map(({ median }) => median);
  publish({
    name: 'bench-start',
    tables: [
      { title: 'VERSION', unit: 'ms', samples: starts },
      { title: 'ADD and DEL of host-local', unit: 'ms', samples: work },
    ],
    goals: [
      {
        text: 'a plugin starts as fast as its runtime can: time beside an empty program under it',
        figure: (plugin ?? Number.NaN) / (empty ?? Number.NaN),
        limit: 1.1,
      },
    ],
  });
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}
