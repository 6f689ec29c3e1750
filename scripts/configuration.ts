import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsonSchema } from '../src/agent/config/json-schema.ts';
import { withOptionTables } from '../src/agent/config/markdown.ts';

/*
 * Writes what is made of the agent's options into docs/configuration.md, and the schema beside it. A
 * test looks that neither is out of date.
 */

const docs = join(import.meta.dirname, '../docs');
const page = join(docs, 'configuration.md');
writeFileSync(page, withOptionTables(readFileSync(page, 'utf8')));
const schema = `${JSON.stringify(jsonSchema(), undefined, 2)}\n`;
writeFileSync(join(docs, 'configuration.schema.json'), schema);
