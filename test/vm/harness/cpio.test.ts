import { describe, expect, it } from 'vitest';
import { cpioArchive } from './cpio.ts';

describe('cpioArchive', () => {
  const archive = cpioArchive([
    { path: 'bin', mode: 0o040755 },
    { path: 'bin/a', mode: 0o100644, data: Buffer.from('hello') },
  ]);
  const text = Buffer.from(archive).toString('latin1');

  it('gives each entry a header of hexadecimal fields', () => {
    const second = text.slice(text.indexOf('070701', 1));
    expect(second.slice(0, 110).match(/^.{6}|.{8}/g)).toEqual([
      '070701',
      '00000002', // inode
      '000081a4', // mode
      '00000000', // uid
      '00000000', // gid
      '00000001', // links
      '00000000', // mtime
      '00000005', // bytes of data
      '00000000',
      '00000000',
      '00000000',
      '00000000',
      '00000006', // bytes of the name
      '00000000',
    ]);
  });

  it('fills names and data up to multiples of four', () => {
    expect(text.slice(110, 116)).toBe('bin\0\0\0');
    const second = text.indexOf('070701', 1);
    expect(second % 4).toBe(0);
    expect(text.slice(second + 110)).toMatch(/^bin\/a\0hello\0{3}0707010/);
    expect(archive.length % 4).toBe(0);
  });

  it('ends with the trailer', () => {
    expect(text).toMatch(/0000000b00000000TRAILER!!!\0+$/);
  });
});
