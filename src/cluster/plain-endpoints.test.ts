import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeObject } from './decode.ts';
import { plainEndpoints } from './plain-endpoints.ts';

const text = fc.constantFrom('a', 'node-1', '');
const flag = fc.constantFrom(true, false, null);
/** Anything that a field may hold in a broken object. */
const odd = fc.constantFrom(null, 7, [], {}, 'x', [null], false);
const orOdd = (value: fc.Arbitrary<unknown>) => fc.oneof({ weight: 12, arbitrary: value }, odd);
const address = fc.constantFrom('10.0.0.1', '010.0.0.2', 'fd00::1', 'x', '');
const reference = fc.record(
  { kind: orOdd(fc.constantFrom('Pod', 'Node')), name: orOdd(text), namespace: text },
  { requiredKeys: [] },
);
const conditions = fc.record(
  { ready: orOdd(flag), serving: orOdd(flag), terminating: orOdd(flag) },
  { requiredKeys: [] },
);
const endpoint = fc.record(
  {
    addresses: orOdd(
      fc.array(fc.oneof({ weight: 8, arbitrary: fc.constant('10.0.0.1') }, address)),
    ),
    nodeName: orOdd(text),
    zone: orOdd(text),
    targetRef: orOdd(reference),
    conditions: orOdd(conditions),
    hostname: fc.constantFrom('a'),
    hints: fc.constant({ forZones: [{ name: 'a' }] }),
    deprecatedTopology: odd,
  },
  { requiredKeys: ['addresses'] },
);

const sliceOf = (endpoints: unknown, addressType: string) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'a' },
  addressType,
  endpoints,
});

/** The same as the schema reads it: an endpoint that is not plain has all of a slice read by it. */
function bySchema(endpoints: readonly unknown[], addressType: string): unknown {
  const other = {
    addresses: [addressType === 'IPv4' ? '10.0.0.9' : 'fd00::9'],
    hints: null,
  };
  try {
    const slice = decodeObject(sliceOf([...endpoints, other], addressType));
    return slice?.kind === 'EndpointSlice' ? slice.endpoints.slice(0, -1) : undefined;
  } catch {
    return 'refused';
  }
}

describe('plainEndpoints', () => {
  it('reads what the schema reads, or leaves it to it', () => {
    let read = 0;
    fc.assert(
      fc.property(
        fc.array(orOdd(endpoint), { maxLength: 3 }),
        fc.constantFrom('IPv4', 'IPv6'),
        (endpoints, type) => {
          const plain = plainEndpoints(sliceOf(endpoints, type));
          if (plain === undefined) return;
          read += 1;
          expect(plain).toEqual(bySchema(endpoints, type));
        },
      ),
      { numRuns: 2_000 },
    );
    expect(read).toBeGreaterThan(200);
  });

  it('leaves the rest of a slice to its schema', () => {
    const slice = sliceOf([{ addresses: ['10.0.0.1'] }], 'IPv4');
    expect(() => decodeObject({ ...slice, ports: [{ port: 0 }] })).toThrow(/ports\[0\]\.port/);
    expect(() => decodeObject({ ...slice, metadata: {} })).toThrow(/metadata\.name/);
  });
});
