// Writes docs/config.schema.json from the table of settings. Run after `npm run build`, then `npm run format`.
import { writeFileSync } from 'node:fs';
import { configJsonSchema } from '../dist/config/schema.js';

const file = new URL('../docs/config.schema.json', import.meta.url);
writeFileSync(file, `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
