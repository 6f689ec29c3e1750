import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GO_MIN, goVersion, PEER_CACHE } from './peer.ts';

/*
 * `make peers`: builds the programs of every module in this folder, or of those named as arguments.
 * A module whose files and toolchain have not changed since it was built is left as it is.
 */

/** What a program must be told about itself when it isn't built by its own makefile. */
const LDFLAGS: Readonly<Record<string, string>> = {
  'cni-plugins':
    '-X github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion=v1.9.1',
  // kube-apiserver reads its own version to choose the API versions it serves.
  kubernetes: [
    '-X k8s.io/component-base/version.gitVersion=v1.36.3',
    '-X k8s.io/component-base/version.gitMajor=1',
    '-X k8s.io/component-base/version.gitMinor=36',
  ].join(' '),
};

const folder = import.meta.dirname;
const known = readdirSync(folder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

/** The import paths in the module's tools.go: the list of what is built from it. */
function packagesOf(module: string): string[] {
  const source = readFileSync(join(folder, module, 'tools.go'), 'utf8');
  return Array.from(source.matchAll(/^\t_ "(.+)"$/gm), (match) => match[1] ?? '');
}

function stampOf(module: string, version: string): string {
  const hash = createHash('sha256').update(`${version} ${LDFLAGS[module] ?? ''}`);
  for (const file of ['go.mod', 'go.sum', 'tools.go'])
    hash.update(readFileSync(join(folder, module, file)));
  return hash.digest('hex');
}

function isBuilt(stampFile: string, stamp: string): boolean {
  try {
    return readFileSync(stampFile, 'utf8') === stamp;
  } catch {
    return false;
  }
}

/** Builds one module into the cache; says whether all its programs are there. */
function build(module: string, version: string): boolean {
  const out = join(PEER_CACHE, module);
  const stampFile = join(out, '.stamp');
  const stamp = stampOf(module, version);
  if (isBuilt(stampFile, stamp)) {
    process.stdout.write(`peers: ${module} is built\n`);
    return true;
  }
  process.stdout.write(`peers: building ${module}\n`);
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const ldflags = ['-s -w', LDFLAGS[module] ?? ''].join(' ');
  const { status } = spawnSync(
    'go',
    ['build', '-mod=readonly', '-trimpath', '-ldflags', ldflags, '-o', `${out}/`].concat(
      packagesOf(module),
    ),
    {
      cwd: join(folder, module),
      stdio: 'inherit',
      env: { ...process.env, CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOFLAGS: '' },
    },
  );
  // The stamp comes last: a build that was killed is done again.
  if (status === 0) writeFileSync(stampFile, stamp);
  return status === 0;
}

const asked = process.argv.slice(2);
const unknown = asked.filter((module) => !known.includes(module));
const version = goVersion();
if (unknown.length > 0) {
  process.stderr.write(`peers: no module ${unknown.join(', ')}; there are ${known.join(', ')}\n`);
  process.exitCode = 2;
} else if (version === undefined) {
  const left = (asked.length > 0 ? asked : known).join(', ');
  process.stdout.write(`peers: left out ${left}: no Go ${GO_MIN} or newer on PATH\n`);
} else {
  const failed = (asked.length > 0 ? asked : known).filter((module) => !build(module, version));
  for (const module of failed) process.stderr.write(`peers: ${module} did not build\n`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}
