import { describe, expect, it } from 'vitest';
import { parseBindAddress } from './bind-address.ts';

describe('parseBindAddress', () => {
  it.each([
    ['0.0.0.0:10256', { host: '0.0.0.0', port: 10_256 }],
    ['127.0.0.1', { host: '127.0.0.1', port: 1 }],
    ['[::1]:10249', { host: '::1', port: 10_249 }],
    ['::1', { host: '::1', port: 1 }],
    ['[::]', { host: '::', port: 1 }],
    ['', undefined],
  ])('reads %j', (text, expected) => {
    expect(parseBindAddress(text, 1)).toEqual(expected);
  });

  it.each(['localhost:80', '127.0.0.1:', '127.0.0.1:65536', ':80', '[::1', '127.0.0.1:1:2'])(
    'refuses %j and says what it expected',
    (text) => {
      expect(() => parseBindAddress(text, 1)).toThrow(
        `expected an IP address and a port such as 127.0.0.1:10249 or [::1]:10249, got "${text}"`,
      );
    },
  );
});
