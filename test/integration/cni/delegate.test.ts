import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createNamedNetns, deleteNamedNetns } from '../../../src/sys/netns.ts';
import { useNetns } from '../netns-fixture.ts';
import { CNI_BIN, callPlugin, type PluginAnswer } from './plugin-fixture.ts';

/* IPAM that is not ours: an executable found in CNI_PATH, by scripts that write down their calls. */

const fixture = useNetns('delegate');
const podName = `podwire-delegate-pod-${process.pid}`;
const podPath = `/run/netns/${podName}`;
let directory: string;
let log: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'podwire-delegate-'));
  log = join(directory, 'log');
  createNamedNetns(podPath);
});
afterEach(() => {
  deleteNamedNetns(podPath);
  rmSync(directory, { recursive: true, force: true });
});

/** Writes an IPAM plugin that notes the verb and stdin, and then runs the lines of shell. */
function ipamPlugin(lines: string): void {
  const file = join(directory, 'other-ipam');
  const note = `printf '%s ' "$CNI_COMMAND" >> ${log}; cat >> ${log}; echo >> ${log}`;
  writeFileSync(file, `#!/bin/sh\n${note}\n${lines}\n`);
  chmodSync(file, 0o755);
}

const calls = (): [string, Record<string, unknown>][] =>
  existsSync(log)
    ? readFileSync(log, 'utf8')
        .trim()
        .split('\n')
        .map((line) => {
          const at = line.indexOf(' ');
          return [line.slice(0, at), JSON.parse(line.slice(at)) as Record<string, unknown>];
        })
    : [];

const verbs = (): string[] => calls().map(([verb]) => verb);

const config = (more: object = {}): Record<string, unknown> => ({
  cniVersion: '1.1.0',
  name: 'net',
  type: 'bridge',
  bridge: 'br0',
  unknown: { kept: [1] },
  ipam: { type: 'other-ipam', own: true },
  ...more,
});

function call(
  verb: string,
  conf: object = config(),
  env: Record<string, string> = {},
): PluginAnswer {
  const base = {
    CNI_CONTAINERID: 'a',
    CNI_NETNS: podPath,
    // One that does not exist and one that is no directory come first.
    CNI_PATH: `/nowhere:/etc/hostname:${directory}:${CNI_BIN}`,
  };
  return callPlugin(
    { type: 'bridge', verb, config: conf, env: { ...base, ...env } },
    fixture.netns,
  );
}

const podLinks = (): string[] =>
  (JSON.parse(fixture.exec('ip', '-n', podName, '-j', 'link')) as { ifname: string }[]).map(
    ({ ifname }) => ifname,
  );

const answer = `[ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion":"1.0.0","ips":[{"address":"10.5.0.7/24"}]}'; exit 0`;

describe('IPAM by an executable', () => {
  it('gets the configuration as it is, with every verb', () => {
    ipamPlugin(answer);
    const added = call('ADD');
    expect(added.json.ips).toEqual([{ interface: 2, address: '10.5.0.7/24' }]);
    expect(call('CHECK', config({ prevResult: added.json })).status).toBe(0);
    expect(call('STATUS').status).toBe(0);
    const attachments = [{ containerID: 'a', ifname: 'eth0' }];
    expect(call('GC', config({ 'cni.dev/valid-attachments': attachments })).status).toBe(0);
    expect(call('DEL').status).toBe(0);
    expect(verbs()).toEqual(['ADD', 'CHECK', 'STATUS', 'GC', 'DEL']);
    expect(calls()[0]?.[1]).toEqual(config());
    expect(calls()[3]?.[1]).toMatchObject({ 'cni.dev/valid-attachments': attachments });
  });

  it('answers in the form of an old version', () => {
    ipamPlugin(
      `echo '{"ip4":{"ip":"10.5.0.8/24","routes":[{"dst":"10.0.0.0/8","gw":"10.5.0.1"}]}}'`,
    );
    const { json } = call('ADD', config({ cniVersion: '0.2.0' }));
    expect(json).toMatchObject({ cniVersion: '0.2.0', ip4: { ip: '10.5.0.8/24' } });
  });

  it('says on stderr what it has to say', () => {
    ipamPlugin(`echo 'a word' >&2; ${answer}`);
    expect(call('ADD')).toMatchObject({ status: 0, stderr: 'a word\n' });
  });

  it.each([
    [
      'with an error of its own',
      `echo '{"code": 142, "msg": "no lease", "details": "server away"}'; exit 1`,
      { code: 142, msg: 'no lease', details: 'server away' },
    ],
    [
      'with words on stderr',
      'echo broken >&2; exit 3',
      { code: 999, msg: expect.stringContaining('broken') },
    ],
    ['with nothing', 'exit 3', { code: 999, msg: expect.stringContaining('exit status 3') }],
    [
      'with something else on stdout',
      'echo oops; exit 1',
      { code: 999, msg: expect.stringContaining('oops') },
    ],
    ['by a signal', 'kill -9 $$', { code: 999, msg: expect.stringContaining('SIGKILL') }],
  ])('that fails %s leaves nothing, and its error is ours', (_, lines, expected) => {
    ipamPlugin(lines);
    const { status, json } = call('ADD');
    expect(status).toBe(1);
    expect(json).toMatchObject(expected);
    expect(podLinks()).toEqual(['lo']);
  });

  it.each([
    ['no JSON', `echo '['`, 'ipam result: expected a JSON object'],
    ['no result', `echo '{"ips":[{"address":"x"}]}'`, 'ipam result.ips[0].address: expected an IP'],
    ['no address', `echo '{"cniVersion":"1.0.0"}'`, 'IPAM plugin returned missing IP config'],
  ])('that gives %s is asked to take it back', (_, lines, message) => {
    ipamPlugin(lines);
    expect(call('ADD').json.msg).toContain(message);
    expect(verbs()).toEqual(['ADD', 'DEL']);
    expect(podLinks()).toEqual(['lo']);
  });

  it('that prints without end is stopped', () => {
    ipamPlugin('exec yes');
    expect(call('ADD').json.msg).toContain('printed over 16777216 bytes');
    expect(podLinks()).toEqual(['lo']);
  });

  it('must be a regular file somewhere in CNI_PATH', () => {
    mkdirSync(join(directory, 'other-ipam'));
    const path = `${directory}:${CNI_BIN}`;
    expect(call('ADD', config(), { CNI_PATH: path }).json).toMatchObject({
      code: 999,
      msg: `failed to find plugin "other-ipam" in path [${directory} ${CNI_BIN}]`,
    });
  });

  it.each([
    ['a/b', 7, 'invalid plugin name: a/b'],
    ['bridge', 7, 'ipam.type: expected an IPAM plugin, got "bridge"'],
  ])('cannot be called %s', (type, code, msg) => {
    expect(call('ADD', config({ ipam: { type } })).json).toMatchObject({ code, msg });
  });
});
