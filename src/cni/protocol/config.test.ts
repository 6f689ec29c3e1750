import { describe, expect, it } from 'vitest';
import { parseArgs } from './args.ts';
import { parseConfig } from './config.ts';
import { Fields } from './fields.ts';

const fields = (text: string): Fields => new Fields(JSON.parse(text) as Record<string, unknown>);

describe('a field', () => {
  it.each([
    ['{"mtu": 1}', 1],
    ['{"MTU": 1}', 1],
    // As encoding/json: the last of the same name counts, and null says nothing.
    ['{"mtu": 1, "Mtu": 2}', 2],
    ['{"Mtu": 2, "mtu": 1}', 1],
    ['{"mtu": 1, "MTU": null}', 1],
    ['{"mtu": null}', undefined],
    ['{}', undefined],
  ])('is found whatever the case: %s', (text, expected) => {
    expect(fields(text).integer('mtu')).toBe(expected);
  });

  it('folds what Go folds, and no more', () => {
    // The Kelvin sign and the long s.
    expect(fields('{"\u212aind\u017f": "x"}').string('kinds')).toBe('x');
    expect(fields('{"stra\u00dfe": "x"}').string('strasse')).toBeUndefined();
  });

  it('is none that every object has', () => {
    expect(fields('{}').value('constructor')).toBeUndefined();
    expect(fields('{"__proto__": {"mtu": 1}}').integer('mtu')).toBeUndefined();
  });

  it.each([
    ['{"mtu": "1500"}', 'mtu: expected a whole number, got "1500"'],
    ['{"mtu": 1.5}', 'mtu: expected a whole number, got 1.5'],
  ])('says what it expected: %s', (text, message) => {
    expect(() => fields(text).integer('mtu')).toThrow(message);
  });
});

describe('prevResult', () => {
  const config = (prevResult: unknown): string =>
    JSON.stringify({ cniVersion: '0.4.0', name: 'net', prevResult });

  it('is read in its own version, or in that of the configuration', () => {
    const old = { cniVersion: '0.2.0', ip4: { ip: '10.0.0.2/24' } };
    const { prevResult } = parseConfig(config(old), 'ADD');
    expect(prevResult?.ips.map(({ address }) => `${address}`)).toEqual(['10.0.0.2/24']);
    const unnamed = { ips: [{ version: '4', address: '10.0.0.3/24' }] };
    expect(parseConfig(config(unnamed), 'ADD').prevResult?.ips).toHaveLength(1);
  });

  it.each([[{ ips: [{ address: '10.0' }] }], ['x'], [{ cniVersion: '9.9.9' }]])(
    'that is torn stops everything but DEL: %j',
    (torn) => {
      expect(() => parseConfig(config(torn), 'CHECK')).toThrow();
      expect(() => parseConfig(config(torn), 'ADD')).toThrow();
      expect(parseConfig(config(torn), 'DEL').prevResult).toBeUndefined();
    },
  );
});

const kubernetes =
  'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=a;K8S_POD_UID=b';

describe('CNI_ARGS', () => {
  it.each([
    ['', undefined],
    ['IP=10.0.0.1', '10.0.0.1'],
    ['IP=1;MAC=2;IP=3', '3'],
    [kubernetes, undefined],
    ['X=1;IP=2;IgnoreUnknown=TRUE', '2'],
    ['IP=', ''],
  ])('%s', (args, expected) => {
    expect(parseArgs(args, ['IP', 'MAC']).get('IP')).toBe(expected);
  });

  it.each([
    ['IP', 'ARGS: invalid pair "IP"'],
    ['IP=1;', 'ARGS: invalid pair ""'],
    ['IP=1=2', 'ARGS: invalid pair "IP=1=2"'],
    ['A=1;B=2', 'ARGS: unknown args ["A=1" "B=2"]'],
    // Names are exact.
    ['ip=1', 'ARGS: unknown args ["ip=1"]'],
    ['A=1;IgnoreUnknown=0', 'ARGS: unknown args ["A=1"]'],
    ['IgnoreUnknown=x', 'ARGS: error parsing value of pair "IgnoreUnknown=x"'],
  ])('refuses %s', (args, message) => {
    expect(() => parseArgs(args, ['IP', 'MAC'])).toThrow(message);
  });
});
