import { describe, expect, it } from 'vitest';
import { parseAddr } from './parse-addr.ts';
import { parseReverseName, reverseName } from './reverse.ts';

describe('reverseName', () => {
  it.each([
    ['10.96.0.10', '10.0.96.10.in-addr.arpa.'],
    [
      '2001:db8::567:89ab',
      'b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.',
    ],
  ])('of %s is %s, and back', (text, name) => {
    expect(reverseName(parseAddr(text))).toBe(name);
    expect(parseReverseName(name.toUpperCase())?.toString()).toBe(text);
  });

  it.each(['0.96.10.in-addr.arpa.', '01.0.0.10.in-addr.arpa.', '1.0.ip6.arpa.', 'example.org.'])(
    '%s is no whole reverse name',
    (name) => {
      expect(parseReverseName(name)).toBeUndefined();
    },
  );
});
