import { dump } from 'js-yaml';

/** Objects as a manifest has them: YAML, with `---` between. */
export function formatManifest(objects: readonly unknown[]): string {
  return objects.map((object) => dump(object, { noRefs: true, lineWidth: 120 })).join('---\n');
}
