import { describe, expect, it } from 'vitest';
import { parseAddr } from '../../../ipaddr/parse-addr.ts';
import { vtepMac } from './mac.ts';

describe('vtepMac', () => {
  it.each([
    [1, '192.0.2.1', '02:01:c0:00:02:01'],
    [1, '10.0.0.255', '02:01:0a:00:00:ff'],
    [256, '192.0.2.1', '02:01:c0:00:02:01'],
    [0xff_ff_ff, '255.255.255.255', '02:ff:ff:ff:ff:ff'],
    // printf '1 2001:db8::1' | sha512sum | cut -c1-10
    [1, '2001:db8::1', '02:09:ba:94:fd:8e'],
    [2, '2001:db8::1', '02:bb:91:1c:32:58'],
  ])('of network %i and %s never changes', (id, endpoint, expected) => {
    const mac = vtepMac(id, parseAddr(endpoint));
    expect(`${mac}`).toBe(expected);
    expect([mac.isLocal, mac.isMulticast]).toEqual([true, false]);
  });
});
