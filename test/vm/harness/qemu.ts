/** What a guest is started with. */
export interface GuestOptions {
  readonly vmlinux: string;
  readonly initramfs: string;
  /** The socket on which the host waits for the guest's agent. */
  readonly socket: string;
  readonly portName: string;
  /** The file that gets what the guest's console prints; undefined: this terminal is its console. */
  readonly consoleLog: string | undefined;
  /** Variables for the guest's init. */
  readonly variables: Readonly<Record<string, string>>;
}

const MEMORY = '2G';
const CPUS = 2;

const PARAMETERS = [
  'console=ttyS0',
  'quiet',
  // A kernel that has come to harm ends, and QEMU with it.
  'oops=panic',
  'panic=-1',
  // Without all that, an emulated processor is a tenth faster.
  'mitigations=off',
  'init_on_alloc=0',
  'apparmor=0',
  'audit=0',
  'nowatchdog',
  // The kernel distrusts this clock and would read one that costs a call of QEMU.
  'tsc=reliable',
  'clocksource=tsc',
  'rdinit=/init',
];

/** The arguments of qemu-system-x86_64. */
export function qemuArguments(options: GuestOptions): string[] {
  const console =
    options.consoleLog === undefined
      ? 'stdio,id=console,signal=off'
      : `file,id=console,path=${comma(options.consoleLog)}`;
  return [
    ['-nodefaults'],
    ['-no-user-config'],
    ['-no-reboot'],
    ['-display', 'none'],
    // Emulation works everywhere; KVM inside of a virtual machine hangs on some.
    ['-accel', 'tcg,thread=multi'],
    ['-cpu', 'max'],
    ['-smp', `${CPUS}`],
    ['-m', MEMORY],
    ['-kernel', options.vmlinux],
    ['-initrd', options.initramfs],
    ['-append', kernelCommandLine(options.variables)],
    ['-chardev', console],
    ['-serial', 'chardev:console'],
    ['-chardev', `socket,id=agent,path=${comma(options.socket)}`],
    ['-device', 'virtio-serial-pci'],
    ['-device', `virtserialport,chardev=agent,name=${options.portName}`],
    ['-fsdev', 'local,id=root,path=/,security_model=none,multidevs=remap,readonly=on'],
    ['-device', 'virtio-9p-pci,fsdev=root,mount_tag=root'],
  ].flat();
}

/** The kernel's command line; init gets the variables in its environment. */
export function kernelCommandLine(variables: Readonly<Record<string, string>>): string {
  const assignments = Object.entries(variables).map(([name, value]) => {
    // The kernel knows double quotes and no way to write one inside them.
    if (value.includes('"')) throw new Error(`${name}=${value}: a double quote can't be passed on`);
    return /\s/.test(value) ? `${name}="${value}"` : `${name}=${value}`;
  });
  return [...PARAMETERS, ...assignments].join(' ');
}

/** QEMU ends an option at a comma and takes two for one. */
function comma(path: string): string {
  return path.replaceAll(',', ',,');
}
