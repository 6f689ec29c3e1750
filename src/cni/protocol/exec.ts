import { statSync } from 'node:fs';
import { join } from 'node:path';
import { CNI_CODE, CniError } from './error.ts';
import { Fields, isObject } from './fields.ts';

/** What a plugin may print on stdout or stderr; it is killed when it prints more. */
const OUTPUT_BYTES_MAX = 16 << 20;
/** A plugin that takes longer is killed. */
const TIMEOUT_MS = 120_000;
/** A file that is just being written can't be executed; who installs plugins is soon done with it. */
const BUSY_ATTEMPTS_MAX = 5;
const BUSY_PAUSE_MS = 1000;
/** As much of a plugin's output as an error cites. */
const CITED_CHARACTERS_MAX = 1000;

/** The executable of a plugin: the first regular file of the name. Throws CniError. */
export function findPlugin(type: string, path: readonly string[]): string {
  if (type === '') throw new CniError(CNI_CODE.invalidConfig, 'no plugin name provided');
  if (type.includes('/')) {
    throw new CniError(CNI_CODE.invalidConfig, `invalid plugin name: ${type}`);
  }
  for (const directory of path) {
    const file = join(directory, type);
    if (isFile(file)) return file;
  }
  throw new CniError(
    CNI_CODE.internal,
    `failed to find plugin ${JSON.stringify(type)} in path [${path.join(' ')}]`,
  );
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    // Not there, or not for us to see: the next directory may have it.
    return false;
  }
}

/**
 * Runs a plugin's executable and gives its output; what it says on stderr goes to ours. Throws the
 * CniError it printed, or one that says how it failed.
 */
export function execPlugin(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
  stdin: string,
): string {
  // Loading it takes longer than most calls of a plugin whose IPAM is in this process.
  const { spawnSync } = process.getBuiltinModule('node:child_process');
  for (let attempt = 1; ; attempt += 1) {
    const { status, signal, stdout, stderr, error } = spawnSync(file, [], {
      env: { ...env },
      input: stdin,
      encoding: 'utf8',
      maxBuffer: OUTPUT_BYTES_MAX,
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
    if (error !== undefined && 'code' in error) {
      if (error.code === 'ETXTBSY' && attempt <= BUSY_ATTEMPTS_MAX) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_PAUSE_MS);
        continue;
      }
      if (error.code === 'ETIMEDOUT') throw failure(file, `no answer within ${TIMEOUT_MS} ms`);
      if (error.code === 'ENOBUFS') throw failure(file, `printed over ${OUTPUT_BYTES_MAX} bytes`);
      // A plugin that doesn't read its stdin and ends well is none the worse for it.
      if (error.code !== 'EPIPE' || status === null) throw failure(file, error.message);
    }
    if (status === 0) {
      if (stderr !== '') process.stderr.write(stderr);
      return stdout;
    }
    const how = signal === null ? `exit status ${status}` : `killed by ${signal}`;
    throw printedError(file, how, stdout, stderr);
  }
}

/** Reads what a plugin printed. Throws CniError unless it is a JSON object; `what` names it. */
export function parseOutput(output: string, what: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(output);
  } catch {
    value = undefined;
  }
  if (isObject(value)) return new Fields(value, what);
  throw new CniError(CNI_CODE.decode, `${what}: expected a JSON object, got ${cite(output)}`);
}

/** The error a plugin ended with, in the words of the Go library where it printed none. */
function printedError(file: string, how: string, stdout: string, stderr: string): CniError {
  if (stdout === '') {
    const said = stderr === '' ? ` with no error message: ${how}` : `: ${cite(stderr)}`;
    return failure(file, `netplugin failed${said}`);
  }
  try {
    const printed = parseOutput(stdout, file);
    const code = printed.integer('code');
    const message = printed.string('msg');
    if (code !== undefined && message !== undefined) {
      return new CniError(code, message, printed.string('details') ?? '');
    }
  } catch {
    // Said below: it is an error of the plugin's, but none the specification knows.
  }
  return failure(
    file,
    `netplugin failed but error parsing its diagnostic message ${cite(stdout)}: ${how}`,
  );
}

function failure(file: string, message: string): CniError {
  return new CniError(CNI_CODE.internal, message, file);
}

function cite(text: string): string {
  const cut =
    text.length > CITED_CHARACTERS_MAX ? `${text.slice(0, CITED_CHARACTERS_MAX)}...` : text;
  return JSON.stringify(cut);
}
