/** `req=resolve` (§3): what a request came to. */
import { COMMANDS } from './commands.js';
import type { Modifiers, ResolvedCommand } from './modifiers.js';
import { encode } from './query.js';

/**
 * A query that means the same as the one that was read, and calls nothing: macros, variables, a record's commands and
 * those that later ones override are worked out, what is not known is gone. It has no `req=resolve`.
 */
export function resolvedQuery({ commands }: Pick<Modifiers, 'commands'>): string {
  const last = new Map<string, ResolvedCommand>();
  for (const command of commands) {
    const key = `${isOfLayer(command) ? 'layer' : 'comp'} ${command.name}`;
    // What is said again counts from there.
    last.delete(key);
    last.set(key, command);
  }
  const left = [...last.values()].filter(({ name, value }) => name !== 'req' || !/^\s*resolve\s*(?:,|$)/i.test(value));
  const written = (those: readonly ResolvedCommand[]) => those.map(({ name, value }) => `${name}=${encode(value)}`);
  const ofLayer = left.filter(isOfLayer);
  return [
    ...written(left.filter((command) => !isOfLayer(command))),
    ...(ofLayer.length > 0 ? ['layer=0'] : []),
    ...written(ofLayer),
  ].join('&');
}

/** Whether it would mean something else outside of its layer. */
function isOfLayer({ name, segment }: ResolvedCommand): boolean {
  return segment === 'layer' && COMMANDS.get(name)?.scope === 'either';
}
