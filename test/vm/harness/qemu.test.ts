import { describe, expect, it } from 'vitest';
import { kernelCommandLine, qemuArguments } from './qemu.ts';

const guest = {
  vmlinux: '/k/vmlinux',
  initramfs: '/t/initramfs',
  socket: '/t/a,b',
  portName: 'port',
  consoleLog: '/log,1',
  variables: { vm_node: '/opt/node' },
};

/** What follows each appearance of an option. */
const values = (args: readonly string[], option: string): (string | undefined)[] =>
  args.flatMap((arg, index) => (arg === option ? [args[index + 1]] : []));

describe('qemuArguments', () => {
  it('emulate, and give the root of the host to read only', () => {
    const args = qemuArguments(guest);
    expect(values(args, '-accel')).toEqual(['tcg,thread=multi']);
    expect(values(args, '-kernel')).toEqual(['/k/vmlinux']);
    expect(values(args, '-fsdev')).toEqual([expect.stringMatching(/path=\/,.*readonly=on$/)]);
    expect(args).not.toContain('-netdev');
  });

  it('double the commas in paths', () => {
    expect(values(qemuArguments(guest), '-chardev')).toEqual([
      'file,id=console,path=/log,,1',
      'socket,id=agent,path=/t/a,,b',
    ]);
  });

  it('make the terminal the console where there is no log', () => {
    const args = qemuArguments({ ...guest, consoleLog: undefined });
    expect(values(args, '-chardev')[0]).toBe('stdio,id=console,signal=off');
  });
});

describe('kernelCommandLine', () => {
  it('ends with the variables, quoted where they need it', () => {
    const line = kernelCommandLine({ vm_node: '/opt/node', vm_modules: '/my files/m' });
    expect(line).toMatch(/ rdinit=\/init vm_node=\/opt\/node vm_modules="\/my files\/m"$/);
  });

  it('refuses what can not be quoted', () => {
    expect(() => kernelCommandLine({ vm_node: '/a"b' })).toThrow('vm_node=/a"b');
  });
});
