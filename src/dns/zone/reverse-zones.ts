import { Addr } from '../../ipaddr/addr.ts';
import type { Prefix } from '../../ipaddr/prefix.ts';
import { reverseName } from '../../ipaddr/reverse.ts';

/**
 * The zones for the reverse names of a prefix's addresses, without a dot at the end. A prefix that
 * ends inside an octet, or an IPv6 digit, has one for each value of the rest: 10.9.0.0/18 has 64.
 */
export function reverseZonesOf(prefix: Prefix): string[] {
  const step = prefix.addr.family === 4 ? 8 : 4;
  const labels = Math.ceil(prefix.bits / step);
  const bytes = prefix.first().toBytes();
  const count = 1 << (labels * step - prefix.bits);
  const suffix = prefix.addr.family === 4 ? 'in-addr.arpa' : 'ip6.arpa';
  const total = prefix.addr.bits / step;
  return Array.from({ length: count }, (_, index) => {
    const own = bytes.slice();
    if (labels > 0) {
      const bit = (labels - 1) * step;
      const at = bit >>> 3;
      own[at] = (own[at] ?? 0) | (index << (8 - step - (bit & 7)));
    }
    const digits = reverseName(Addr.fromBytes(own)).split('.').slice(0, total);
    return [...digits.slice(total - labels), suffix].join('.');
  });
}
