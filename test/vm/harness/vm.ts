import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeFrame, FrameReader } from './frame.ts';
import { GuestProcess } from './guest-process.ts';
import { initramfs } from './initramfs.ts';
import { cachedKernel, KERNEL_PACKAGE, type Kernel, VM_CACHE } from './kernel.ts';
import { type Command, type FromGuest, PORT_NAME, type ToGuest } from './protocol.ts';
import { qemuArguments } from './qemu.ts';

const root = join(import.meta.dirname, '../../..');

/** What the console of the guest printed last, for when something goes wrong. */
const CONSOLE_LOG = join(root, 'build/vm/console.log');
const CONSOLE_LINES_SHOWN = 30;

/** From the start of QEMU to the agent's first word: 5 s on an idle machine. */
const BOOT_TIMEOUT_MS = 80_000;
/** A guest that hangs is ended: no run of all tests takes as long. */
const LIFETIME_MS = 285_000;
/** One message of 9p; the large files of Node and npm are read in pieces of this size. */
const MSIZE_BYTES = 1 << 20;

/** Where the guest can write what the next one finds again. */
export const SHARE = '/run/podwire-vm';

/** A guest. Its programs end with it, and it ends with this process. */
export class Vm implements Disposable {
  readonly #qemu: ChildProcess;
  readonly #booted = Promise.withResolvers<void>();
  readonly #processes = new Map<number, GuestProcess>();
  #socket: Socket | undefined;
  #nextId = 1;
  #reason: string | undefined;

  private constructor(qemu: ChildProcess, server: Server) {
    this.#qemu = qemu;
    qemu.once('exit', (code) => this.#ended(`QEMU exited with ${code}`));
    qemu.once('error', (error) => this.#ended(`QEMU did not start: ${error.message}`));
    process.once('exit', this.#kill);
    server.once('connection', (socket) => this.#converse(socket));
    setTimeout(
      () => this.#give(`the guest was not done after ${LIFETIME_MS} ms`),
      LIFETIME_MS,
    ).unref();
  }

  /**
   * Boots the kernel and waits for the agent. `terminal` makes this process's terminal the guest's
   * console. Throws with the last lines of the console when the guest does not come up.
   */
  static async boot({ terminal = false } = {}): Promise<Vm> {
    const kernel = cachedKernel(KERNEL_PACKAGE);
    if (kernel === undefined)
      throw new Error(`${KERNEL_PACKAGE} was not fetched: run make test-vm`);
    const directory = mkdtempSync(join(tmpdir(), 'podwire-vm-'));
    const server = createServer();
    try {
      writeFileSync(join(directory, 'initramfs'), initramfs(kernel));
      await once(server.listen(join(directory, 'agent')), 'listening');
      const vm = new Vm(spawnQemu(kernel, directory, terminal), server);
      const late = `the guest's agent was not there after ${BOOT_TIMEOUT_MS} ms`;
      const timer = setTimeout(() => vm.#give(late), BOOT_TIMEOUT_MS);
      await vm.#booted.promise.finally(() => clearTimeout(timer));
      return vm;
    } finally {
      server.close();
      rmSync(directory, { recursive: true, force: true });
    }
  }

  /** Starts a program. What goes wrong comes with its `exit`. */
  start(command: Command): GuestProcess {
    const id = this.#nextId;
    this.#nextId += 1;
    const started = new GuestProcess(id, (message) => this.#send(message));
    this.#processes.set(id, started);
    this.#send({ type: 'start', id, command });
    this.#hold();
    return started;
  }

  [Symbol.dispose](): void {
    this.#give('the guest was ended');
  }

  /** Lets this process end while no program of the guest is of interest. */
  #hold(): void {
    const verb = this.#processes.size > 0 ? 'ref' : 'unref';
    this.#qemu[verb]();
    this.#socket?.[verb]();
  }

  #converse(socket: Socket): void {
    this.#socket = socket;
    const reader = new FrameReader();
    socket.on('data', (chunk: Uint8Array) => {
      for (const message of reader.push(chunk)) this.#hear(message as FromGuest);
    });
    // QEMU's exit says the same with more to it.
    socket.on('error', () => undefined);
  }

  #hear(message: FromGuest): void {
    if (message.type === 'ready') {
      this.#booted.resolve();
      return;
    }
    const started = this.#processes.get(message.id);
    switch (message.type) {
      case 'message':
        started?.emit('message', message.data);
        break;
      case 'output':
        started?.emit('output', message.stream, message.bytes);
        break;
      case 'exit':
        this.#processes.delete(message.id);
        this.#hold();
        started?.emit('exit', message.code, message.signal, message.error);
        break;
    }
  }

  #send(message: ToGuest): void {
    this.#socket?.write(encodeFrame(message));
  }

  #give(reason: string): void {
    this.#reason ??= reason;
    this.#kill();
  }

  readonly #kill = (): void => {
    this.#qemu.kill('SIGKILL');
  };

  #ended(how: string): void {
    process.off('exit', this.#kill);
    const reason = `${this.#reason ?? how}; its console, ${CONSOLE_LOG}, ends with\n${consoleTail()}`;
    this.#booted.reject(new Error(reason));
    const processes = [...this.#processes.values()];
    this.#processes.clear();
    for (const each of processes) each.emit('exit', null, null, reason);
  }
}

function spawnQemu(kernel: Kernel, directory: string, terminal: boolean): ChildProcess {
  const share = join(VM_CACHE, 'share');
  mkdirSync(share, { recursive: true });
  mkdirSync(join(CONSOLE_LOG, '..'), { recursive: true });
  const args = qemuArguments({
    vmlinux: kernel.vmlinux,
    initramfs: join(directory, 'initramfs'),
    share,
    socket: join(directory, 'agent'),
    portName: PORT_NAME,
    consoleLog: terminal ? undefined : CONSOLE_LOG,
    variables: {
      vm_modules: join(kernel.directory, 'lib/modules', kernel.release),
      vm_node: process.execPath,
      vm_guest: join(import.meta.dirname, 'guest'),
      vm_share: SHARE,
      vm_msize: `${MSIZE_BYTES}`,
    },
  });
  const stdio = terminal ? 'inherit' : 'ignore';
  // QEMU must not outlive this process, however that ends.
  const own = ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args];
  return spawn('setpriv', own, { stdio: [stdio, stdio, 'inherit'] });
}

function consoleTail(): string {
  try {
    return readFileSync(CONSOLE_LOG, 'utf8')
      .trimEnd()
      .split('\n')
      .slice(-CONSOLE_LINES_SHOWN)
      .join('\n');
  } catch {
    return '(nothing)';
  }
}
