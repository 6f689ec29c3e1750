import { describe, expect, it } from 'vitest';
import { nearest } from './nearest.ts';

describe('nearest', () => {
  it.each([
    ['prot', 'port'],
    ['PORT', 'port'],
    ['por', 'port'],
    ['corefiel', 'corefile'],
    ['corfile', 'corefile'],
    ['adress', 'address'],
    ['workers', 'workers'],
  ])('takes %j for %j', (name, expected) => {
    expect(nearest(name, ['address', 'corefile', 'port', 'workers'])).toBe(expected);
  });

  it.each(['x', 'something', '', 'p'.repeat(65)])('takes %j for nothing', (name) => {
    expect(nearest(name, ['address', 'corefile', 'port', 'workers'])).toBeUndefined();
  });
});
