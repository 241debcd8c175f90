/** `pyramidion profiles`. */
import { resolve } from 'node:path';
import { type KnownProfile, ProfileRegistry, type RegistryListing } from '../colour/registry.js';
import { type CliContext, printable } from './context.js';

/** Flags of `profiles`. */
export interface ProfilesFlags {
  /** Folders of profiles, the first one first. */
  readonly folder?: readonly string[];
  /** Folders of profiles that may stand in for press profiles that are missing. */
  readonly standIns?: readonly string[];
  readonly json?: true;
}

/**
 * Shows the named profiles, where each is from and which are missing, then the other profiles of the folders. What is not
 * usable is named on standard error. Yields the exit code: 1 when a folder or file was refused.
 */
export async function runProfiles(flags: ProfilesFlags, context: CliContext): Promise<number> {
  const { folder = [], standIns = [] } = flags;
  const registry = await ProfileRegistry.open({
    folders: folder.map((path) => resolve(path)),
    ...(standIns.length > 0 ? { standIns: { folders: standIns.map((path) => resolve(path)) } } : {}),
  });
  const listing = registry.list();
  for (const { code, message } of listing.refused) {
    context.stderr.write(`pyramidion: ${code}: ${printable(message)}\n`);
  }
  context.stdout.write(flags.json ? `${JSON.stringify(jsonOf(listing), null, 2)}\n` : textOf(listing));
  return listing.refused.length > 0 ? 1 : 0;
}

/** The document `--json` prints: `named`, `others` and `refused`; a profile that is missing has `from: null`. */
export function jsonOf({ named, others, refused }: RegistryListing): object {
  return {
    named: named.map(({ identifier, commonName, fileName, space, known }) => ({
      identifier,
      commonName,
      fileName,
      space,
      ...(known === null ? { from: null } : factsOf(known)),
    })),
    others: others.map((known) => ({ name: known.name, space: known.profile.pixelSpace, ...factsOf(known) })),
    refused: refused.map(({ path, code, message, keepsEarlier }) => ({ path, code, message, keepsEarlier })),
  };
}

function factsOf({ origin, path, label, profile }: KnownProfile): object {
  const { description, version, deviceClass, sha256, bytes, read, write } = profile;
  return {
    from: origin,
    path,
    label,
    description,
    version,
    class: deviceClass,
    bytes: bytes.length,
    sha256,
    input: read === null ? null : { kind: read.kind, intents: read.intents },
    output: write === null ? null : { kind: write.kind, intents: write.intents },
  };
}

/** The same for people. */
export function textOf({ named, others }: RegistryListing): string {
  const head = ['name', 'space', 'from', 'use', 'description'];
  const rows = named.map(({ identifier, commonName, fileName, space, known }) => [
    identifier,
    space,
    ...(known === null ? ['missing', '', `${commonName}: install ${fileName}`] : cellsOf(known)),
  ]);
  const more = others.map((known) => [printable(known.name), known.profile.pixelSpace ?? '', ...cellsOf(known)]);
  const missing = named.filter(({ known }) => known === null).length;
  const sum = `${named.length - missing} of ${named.length} named profiles, ${missing} missing, ${others.length} other`;
  const table = [head, ...rows, ...more];
  const widths = head.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return `${[...lines, '', sum].join('\n')}\n`;
}

/** Where from, what for, and what it says. */
function cellsOf({ origin, path, label, profile }: KnownProfile): [from: string, use: string, description: string] {
  const use = profile.canRead && profile.canWrite ? 'both' : profile.canRead ? 'input only' : 'output only';
  return [origin, use, printable(path === null ? label : `${label} (${path})`)];
}
