import { posix } from 'node:path';
import type { ImportRule } from './import-rules.ts';

/** Sources by their path from the root. */
export type Sources = ReadonlyMap<string, string>;

const IMPORT = /(?:^|[^.\w'])(?:from|import)\s*\(?\s*'([^']+)'/g;

/** What a source imports: files of podwire by their path, Node's modules and packages by name. */
export function importsOf(path: string, source: string): string[] {
  return Array.from(source.matchAll(IMPORT), ([, specifier = '']) =>
    specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : specifier,
  );
}

/** Every import that breaks a rule, with the rule's reason. */
export function brokenRules(sources: Sources, rules: readonly ImportRule[]): string[] {
  return [...sources].flatMap(([path, source]) => {
    const rule = ruleFor(path, rules);
    if (rule === undefined) return [`${path} has no rule: give its folder one`];
    return importsOf(path, source)
      .filter((target) => !isAllowed(path, target, rule))
      .map((target) => `${path} imports ${target}, but must not, because ${rule.reason}`);
  });
}

/** Every cycle of imports, once, as the files on it. */
export function cycles(sources: Sources): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      found.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    const source = sources.get(path);
    if (done.has(path) || source === undefined) return;
    for (const target of importsOf(path, source)) walk(target, [...trail, path]);
    done.add(path);
  };
  for (const path of sources.keys()) walk(path, []);
  return found;
}

function ruleFor(path: string, rules: readonly ImportRule[]): ImportRule | undefined {
  return rules
    .filter((rule) => isBelow(path, rule.path))
    .toSorted((a, b) => b.path.length - a.path.length)[0];
}

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

function isAllowed(path: string, target: string, rule: ImportRule): boolean {
  if (target.startsWith('node:')) return true;
  const isTest = path.endsWith('.test.ts');
  if (!target.startsWith('src/')) return isTest || rule.packages.includes(target);
  // A test may set up what it tests with the parts around it.
  if (isTest && topFolder(path) === topFolder(target)) return true;
  return isBelow(target, rule.path) || rule.uses.some((used) => isBelow(target, used));
}

function topFolder(path: string): string | undefined {
  return path.split('/')[1];
}
