import { writeState } from '../../../src/cluster/saved-state/file.ts';
import { Store } from '../../../src/cluster/store.ts';

/*
 * Saves one state after the other until it is killed: `node state-writer.ts PATH ORIGIN`. Each has as
 * many objects as its number says, so that a mixture of two would be seen.
 */

const [path = '', origin = ''] = process.argv.slice(2);
const part = new Store().part();
process.stdout.write('writing\n');
for (let round = 1; ; round = (round % 400) + 1) {
  part.replace(
    Array.from({ length: round * 10 }, (_, index) => ({
      kind: 'Namespace',
      metadata: {
        name: `n-${index}`,
        namespace: '',
        labels: { round: `${round}` },
        annotations: {},
      },
    })),
  );
  await writeState(path, { origin, savedMs: round, objects: [...part.objects()] });
}
