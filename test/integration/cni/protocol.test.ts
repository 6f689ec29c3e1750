import { describe, expect, it } from 'vitest';
import { callPlugin } from './plugin-fixture.ts';

const env = { CNI_CONTAINERID: 'a', CNI_NETNS: '/run/netns/none' };
const config = { cniVersion: '1.1.0', name: 'net', type: 'loopback' };

const call = (verb: string, more: object = {}, conf: object = config) =>
  callPlugin({ type: 'loopback', verb, config: conf, env: { ...env, ...more } });

describe('every plugin', () => {
  it.each(['bridge', 'host-local', 'loopback', 'vxlan'])(
    '%s tells its versions, and nothing else',
    (type) => {
      const answer = callPlugin({ type, verb: 'VERSION', config: {} });
      expect(answer).toMatchObject({ status: 0, stderr: '' });
      expect(answer.json).toEqual({
        cniVersion: '1.1.0',
        supportedVersions: ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
      });
    },
  );

  it('says what it is to people', () => {
    const answer = callPlugin({ type: 'bridge', verb: '', config: {} });
    expect(answer).toMatchObject({ status: 0, stdout: '' });
    expect(answer.stderr).toContain('CNI protocol versions supported: 0.1.0, ');
  });

  it.each([
    ['an unknown verb', 'add', {}, 4, 'unknown CNI_COMMAND: add'],
    [
      'no container id',
      'ADD',
      { CNI_CONTAINERID: '' },
      4,
      'required env variables [CNI_CONTAINERID] missing',
    ],
    [
      'two missing',
      'ADD',
      { CNI_NETNS: '', CNI_PATH: '' },
      4,
      'required env variables [CNI_NETNS,CNI_PATH] missing',
    ],
    [
      'a bad id',
      'DEL',
      { CNI_CONTAINERID: 'some-%%container-id' },
      4,
      'invalid characters in containerID',
    ],
    ['a long name', 'ADD', { CNI_IFNAME: '1234567890123456' }, 4, 'interface name is too long'],
    ['a dot', 'ADD', { CNI_IFNAME: '..' }, 4, 'interface name is . or ..'],
    [
      'a slash',
      'ADD',
      { CNI_IFNAME: 'a/b' },
      4,
      'interface name contains / or : or whitespace characters',
    ],
    ['no namespace there', 'ADD', {}, 8, 'failed to open netns'],
    [
      'its own namespace',
      'ADD',
      { CNI_NETNS: '/proc/self/ns/net' },
      8,
      "plugin's netns and netns from CNI_NETNS should not be the same",
    ],
  ])('refuses %s', (_, verb, more, code, message) => {
    const answer = call(verb, more);
    expect(answer.status).toBe(1);
    expect(answer.json.code).toBe(code);
    expect(answer.json.msg).toContain(message);
  });

  it.each([
    [{ ...config, cniVersion: '0.2.9' }, 'ADD', 1, 'incompatible CNI versions'],
    [{ ...config, cniVersion: 'adsfsadf' }, 'ADD', 1, 'incompatible CNI versions'],
    [{ ...config, cniVersion: 'adsfsadf' }, 'CHECK', 6, 'cniVersion: expected a version'],
    [{ ...config, name: '' }, 'ADD', 7, 'missing network name'],
    [{ ...config, name: '%%' }, 'ADD', 7, 'invalid characters found in network name'],
    [{ ...config, cniVersion: '0.3.1' }, 'CHECK', 1, 'config version does not allow CHECK'],
    [{ ...config, cniVersion: '1.0.0' }, 'GC', 1, 'config version does not allow GC'],
    [{ ...config, cniVersion: '1.0.0' }, 'STATUS', 1, 'config version does not allow STATUS'],
  ])('refuses the configuration %j on %s', (conf, verb, code, message) => {
    const answer = call(verb, {}, conf);
    expect(answer.status).toBe(1);
    expect(answer.json).toMatchObject({ code, msg: expect.stringContaining(message) });
  });

  it('indents its errors by four, as the reference does', () => {
    expect(call('x').stdout).toBe('{\n    "code": 4,\n    "msg": "unknown CNI_COMMAND: x"\n}\n');
  });
});
