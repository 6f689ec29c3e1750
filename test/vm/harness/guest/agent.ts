import { type ChildProcess, spawn } from 'node:child_process';
import { createReadStream, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { encodeFrame, FrameReader } from '../frame.ts';
import { type Command, type FromGuest, PORT_NAME, type ToGuest } from '../protocol.ts';

/*
 * Runs in the guest: starts programs when the host says so, and passes on messages, input, output
 * and how they ended.
 */

/** How long after a program's end the rest of its output is waited for. */
const OUTPUT_TIMEOUT_MS = 1000;

const port = openSync(portPath(), 'r+');
const children = new Map<number, ChildProcess>();

function portPath(): string {
  const ports = '/sys/class/virtio-ports';
  const found = readdirSync(ports).find(
    (entry) => readFileSync(`${ports}/${entry}/name`, 'utf8').trim() === PORT_NAME,
  );
  if (found === undefined) throw new Error(`no port ${PORT_NAME} in ${ports}`);
  return `/dev/${found}`;
}

function send(message: FromGuest): void {
  const frame = encodeFrame(message);
  for (let sent = 0; sent < frame.length; ) sent += writeSync(port, frame, sent);
}

function launch({ file, args, cwd, env, stdio }: Command): ChildProcess {
  const options = { cwd, env: { ...process.env, ...env }, serialization: 'advanced' } as const;
  switch (stdio) {
    case 'pipe':
      return spawn(file, args, { ...options, stdio: 'pipe' });
    case 'ipc':
      return spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    case 'console': {
      // A program has to lead a session before the console can be its terminal.
      const console = openSync('/dev/console', 'r+');
      const own = ['--ctty', '--wait', file, ...args];
      return spawn('setsid', own, { ...options, stdio: [console, console, console] });
    }
  }
}

function start(id: number, command: Command): void {
  const child = launch(command);
  let error: string | undefined;
  children.set(id, child);
  child.on('message', (data) => send({ type: 'message', id, data }));
  child.stdout?.on('data', (bytes) => send({ type: 'output', id, stream: 'stdout', bytes }));
  child.stderr?.on('data', (bytes) => send({ type: 'output', id, stream: 'stderr', bytes }));
  // What is written to a program that has just ended is lost, as on any pipe.
  child.stdin?.on('error', () => undefined);
  child.on('error', (cause) => {
    if (child.pid === undefined) error = cause.message;
  });
  child.on('exit', () => {
    // Some program that it started and left behind may hold its output open.
    const close = (): unknown => [child.stdout?.destroy(), child.stderr?.destroy()];
    setTimeout(close, OUTPUT_TIMEOUT_MS).unref();
  });
  child.on('close', (code, signal) => {
    children.delete(id);
    // Where there was no process, Node makes up a code.
    if (error === undefined) send({ type: 'exit', id, code, signal });
    else send({ type: 'exit', id, code: null, signal: null, error });
  });
}

function obey(message: ToGuest): void {
  if (message.type === 'start') {
    start(message.id, message.command);
    return;
  }
  const child = children.get(message.id);
  switch (message.type) {
    case 'message':
      if (child?.connected === true) child.send(message.data as object, () => undefined);
      break;
    case 'input':
      if (message.bytes === undefined) child?.stdin?.end();
      else child?.stdin?.write(message.bytes);
      break;
    case 'kill':
      child?.kill(message.signal);
      break;
  }
}

const reader = new FrameReader();
createReadStream('', { fd: port, autoClose: false }).on('data', (chunk) => {
  for (const message of reader.push(chunk as Buffer)) obey(message as ToGuest);
});
send({ type: 'ready' });
