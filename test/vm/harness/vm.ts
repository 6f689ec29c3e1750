import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { encodeFrame, FrameReader } from './frame.ts';
import { GuestProcess } from './guest-process.ts';
import { initramfs } from './initramfs.ts';
import { cachedKernel, KERNEL_PACKAGE, type Kernel } from './kernel.ts';
import { type Command, type FromGuest, PORT_NAME, type ToGuest } from './protocol.ts';
import { qemuArguments } from './qemu.ts';

const root = join(import.meta.dirname, '../../..');

/** What the console of the last guest printed, for when something goes wrong. */
const CONSOLE_LOG = join(root, 'build/vm/console.log');
const CONSOLE_LINES_SHOWN = 30;

/** From the start of QEMU to the agent's first word: 5 s on an idle machine. */
const BOOT_TIMEOUT_MS = 80_000;

/** How a guest is booted. */
interface BootOptions {
  /** This process's terminal is the guest's console. */
  readonly terminal?: boolean;
  /** The guest is ended when it gets older; by default it may live on. */
  readonly lifetimeMs?: number;
}

/** A guest. Its programs end with it, and it ends with this process. */
export class Vm implements Disposable {
  readonly #qemu: ChildProcess;
  readonly #booted = Promise.withResolvers<void>();
  readonly #processes = new Map<number, GuestProcess>();
  readonly #onEnd: (() => void)[] = [];
  #socket: Socket | undefined;
  #nextId = 1;
  /** Why this process ended the guest. */
  #reason: string | undefined;
  /** Why it is no more. */
  #end: string | undefined;

  private constructor(qemu: ChildProcess, server: Server) {
    this.#qemu = qemu;
    qemu.once('exit', (code) => this.#ended(`QEMU exited with ${code}`));
    qemu.once('error', (error) => this.#ended(`QEMU did not start: ${error.message}`));
    server.once('connection', (socket) => this.#converse(socket));
    process.once('exit', this.#kill);
  }

  /**
   * Boots the kernel and waits for the agent. Throws with the last lines of the console when the
   * guest does not come up.
   */
  static async boot({ terminal = false, lifetimeMs }: BootOptions = {}): Promise<Vm> {
    const kernel = cachedKernel(KERNEL_PACKAGE);
    if (kernel === undefined)
      throw new Error(`${KERNEL_PACKAGE} was not fetched: run make test-vm`);
    const directory = mkdtempSync(join(tmpdir(), 'podwire-vm-'));
    const server = createServer();
    try {
      writeFileSync(join(directory, 'initramfs'), await initramfs(kernel));
      await once(server.listen(join(directory, 'agent')), 'listening');
      const vm = new Vm(spawnQemu(kernel, directory, terminal), server);
      const bootTimer = vm.#endAfter(BOOT_TIMEOUT_MS, 'booting');
      await vm.#booted.promise.finally(() => clearTimeout(bootTimer));
      if (lifetimeMs !== undefined) vm.#endAfter(lifetimeMs, 'its programs').unref();
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
    if (this.#end !== undefined) setImmediate(() => this.#endPrograms());
    return started;
  }

  /** Calls back when the guest has ended, before its programs say so. */
  onEnd(callback: () => void): void {
    this.#onEnd.push(callback);
  }

  /** Keeps this process alive as long as the guest, which is the default. */
  ref(): void {
    this.#qemu.ref();
    this.#socket?.ref();
  }

  /** Lets this process end, and the guest with it. */
  unref(): void {
    this.#qemu.unref();
    this.#socket?.unref();
  }

  [Symbol.dispose](): void {
    this.#kill();
  }

  readonly #kill = (): void => {
    this.#qemu.kill('SIGKILL');
  };

  #endAfter(ms: number, what: string): NodeJS.Timeout {
    return setTimeout(() => {
      this.#reason = `${what} took more than ${Math.round(ms)} ms`;
      this.#kill();
    }, ms);
  }

  #converse(socket: Socket): void {
    this.#socket = socket;
    const reader = new FrameReader();
    socket.on('data', (chunk: Uint8Array) => {
      for (const message of reader.push(chunk)) this.#hear(message as FromGuest);
    });
    // The exit of QEMU says the same, and more.
    socket.on('error', () => undefined);
  }

  #hear(message: FromGuest): void {
    if (message.type === 'ready') {
      this.#booted.resolve();
      return;
    }
    const about = this.#processes.get(message.id);
    if (message.type === 'exit') this.#processes.delete(message.id);
    about?.hear(message);
  }

  #send(message: ToGuest): void {
    this.#socket?.write(encodeFrame(message));
  }

  #ended(how: string): void {
    process.off('exit', this.#kill);
    const tail = consoleTail();
    this.#end = `The guest ended: ${this.#reason ?? how}. The last of ${CONSOLE_LOG}:\n${tail}`;
    this.#booted.reject(new Error(this.#end));
    for (const callback of this.#onEnd) callback();
    this.#endPrograms();
  }

  #endPrograms(): void {
    const lost = [...this.#processes];
    this.#processes.clear();
    for (const [id, each] of lost) {
      each.hear({ type: 'exit', id, code: null, signal: null, error: this.#end ?? '' });
    }
  }
}

function spawnQemu(kernel: Kernel, directory: string, terminal: boolean): ChildProcess {
  mkdirSync(dirname(CONSOLE_LOG), { recursive: true });
  rmSync(CONSOLE_LOG, { force: true });
  const args = qemuArguments({
    vmlinux: kernel.vmlinux,
    initramfs: join(directory, 'initramfs'),
    socket: join(directory, 'agent'),
    portName: PORT_NAME,
    consoleLog: terminal ? undefined : CONSOLE_LOG,
    variables: {
      vm_project: root,
      vm_modules: join(kernel.directory, 'lib/modules', kernel.release),
      vm_node: process.execPath,
    },
  });
  const stdio = terminal ? 'inherit' : 'ignore';
  // The guest must not outlive this process, however that ends.
  const own = ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args];
  return spawn('setpriv', own, { stdio: [stdio, stdio, 'inherit'] });
}

function consoleTail(): string {
  try {
    const lines = readFileSync(CONSOLE_LOG, 'utf8').trimEnd().split('\n');
    return lines.slice(-CONSOLE_LINES_SHOWN).join('\n');
  } catch {
    return '(nothing)';
  }
}
