/** Every profile that can be named: those made here, those of the operator's folders, and those below a catalog's root. */
import { basename, join } from 'node:path';
import { type ErrorCode, PyramidionError, toPyramidionError } from '../errors.js';
import { confineProfilePath, listProfileFiles, type ProfileFile, readProfileFile } from './folder.js';
import { generatedProfile } from './generated.js';
import {
  foldName,
  lookupNamed,
  NAMED_PROFILES,
  type NamedProfile,
  namesOf,
  STAND_INS,
  type StandInFiles,
} from './named.js';
import { type Profile, parseProfile } from './parse.js';

/** Where a profile comes from: made here, a folder of the operator, a stand-in of one, or a path below a root. */
export type ProfileOrigin = 'generated' | 'folder' | 'stand-in' | 'root';

/** A profile that can be used, under the name it is known by. */
export interface KnownProfile {
  readonly profile: Profile;
  /** Identifier of a named profile, else the file's name. */
  readonly name: string;
  /** What to tell of it (`image.iccProfile`): its description, and of a stand-in what it stands in for. */
  readonly label: string;
  readonly origin: ProfileOrigin;
  /** The file; null for a generated profile. */
  readonly path: string | null;
}

/** Something about the folders that an operator should know. */
export interface ProfileWarning {
  readonly code: ErrorCode;
  /** Names the file or folder, and says what is done instead. */
  readonly message: string;
  readonly path: string;
}

/** Where {@link ProfileRegistry} looks. */
export interface RegistryOptions {
  /** Folders of profiles. Of two files that answer to one name, the one in the earlier folder is taken. */
  readonly folders?: readonly string[];
  /** Allows free profiles to stand in for press profiles that are not installed; none by default. */
  readonly standIns?: {
    readonly folders: readonly string[];
    /** File names by identifier, beside or instead of {@link STAND_INS}. */
    readonly files?: StandInFiles;
  };
  /** How long the folders are trusted before they are looked at again, in milliseconds; 2000 by default. */
  readonly recheckMs?: number;
  /** Told each trouble with a folder or file once, when it appears. Must not throw. */
  readonly onWarning?: (warning: ProfileWarning) => void;
}

/** An ICC profile map of a catalog: path of the file below a root, relative to it or absolute, by identifier. */
export type IccMap = ReadonlyMap<string, string>;

/** What a name is looked up in besides the registry's own profiles. */
export interface LookupScope {
  /** The map of a catalog, by the catalog's name; null asks for the main catalog's. */
  readonly catalogMap?: (catalog: string | null) => IccMap | null | undefined;
  /** The map of the default catalog. */
  readonly defaultMap?: IccMap;
  /** Folders below which paths are looked for, in this order. */
  readonly roots?: readonly string[];
  /** What errors call the option; `icc` by default. */
  readonly option?: string;
}

/** A named profile, and what answers to it; `known` is null when it has to be installed. */
export interface NamedStatus extends NamedProfile {
  readonly known: KnownProfile | null;
}

/** A file or folder that was not taken. */
export interface RefusedFile extends ProfileWarning {
  /** Whether what the file or folder held before is still in use. */
  readonly keepsEarlier: boolean;
}

/** All that a registry knows. */
export interface RegistryListing {
  /** The named profiles, in the order of the documentation. */
  readonly named: readonly NamedStatus[];
  /** Other profiles in the operator's folders, by folder and path. */
  readonly others: readonly KnownProfile[];
  readonly refused: readonly RefusedFile[];
}

/** A file as it was read last. */
interface FileState extends ProfileFile {
  /** What it holds, or held before it was spoiled. */
  readonly profile: Profile | null;
  /** Why its present contents are not used. */
  readonly error: PyramidionError | null;
}

interface FolderState {
  readonly folder: string;
  readonly files: readonly FileState[];
  /** Why it could not be listed this time; `files` are then the earlier ones. */
  readonly error: PyramidionError | null;
}

/** Everything lookups need. It is made anew and put in place at once, so that no lookup sees a half of a change. */
interface Snapshot {
  readonly folders: readonly FolderState[];
  readonly standIns: readonly FolderState[];
  readonly listing: RegistryListing;
  /** By folded name. */
  readonly byName: ReadonlyMap<string, KnownProfile>;
}

const RECHECK_MS = 2000;
/** Profiles below roots that are kept parsed. */
const MAX_ROOT_PROFILES = 64;

/**
 * The profiles that names lead to. Folders are read on start and looked at again when a lookup comes and `recheckMs` have
 * passed; only files that changed are read. A file that is spoiled while the registry runs leaves what it held before in
 * use, with a warning.
 */
export class ProfileRegistry {
  readonly #options: RegistryOptions;
  readonly #rootProfiles = new Map<string, { stamp: string; known: KnownProfile }>();
  #snapshot: Snapshot;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | null = null;

  private constructor(options: RegistryOptions) {
    this.#options = options;
    this.#snapshot = makeSnapshot([], [], options);
  }

  /**
   * Reads the folders. A folder or file that cannot be used is a warning, not an error. Rejects with `INVALID_OPTION` when
   * a stand-in is for a profile that does not exist, or can be generated.
   */
  static async open(options: RegistryOptions = {}): Promise<ProfileRegistry> {
    for (const identifier of Object.keys(options.standIns?.files ?? {})) {
      const named = lookupNamed(identifier);
      if (named !== null && named.identifier === identifier && !named.isGenerated) continue;
      throw new PyramidionError('INVALID_OPTION', `standIns.files names no press profile: '${identifier}'`, {
        option: 'standIns',
        value: identifier,
      });
    }
    const registry = new ProfileRegistry(options);
    await registry.refresh();
    return registry;
  }

  /** Looks at the folders now, and reads the files that changed. Calls at the same time share the work. Rejects never. */
  async refresh(): Promise<void> {
    this.#refreshing ??= this.#readFolders().finally(() => {
      this.#refreshing = null;
    });
    await this.#refreshing;
  }

  /** What is known, from where, and what is missing or refused, as of the last look at the folders. */
  list(): RegistryListing {
    return this.#snapshot.listing;
  }

  /**
   * The profile of a name, without its percent encoding: looked for as an identifier in the main catalog's map (of
   * `catalog/identifier`, in that catalog's), in the default catalog's map, as any name of a named profile, as file name,
   * path or description of another one in the operator's folders, and as a path below the roots. Capitals do not count,
   * except in paths below roots.
   *
   * Rejects with `INVALID_OPTION` when nothing answers to the name, and with `PROFILE_INVALID` when the profile is known but
   * not installed, or its file cannot be read or used. Messages are for remote callers: they hold no path of ours.
   */
  async find(name: string, scope: LookupScope = {}): Promise<KnownProfile> {
    const option = scope.option ?? 'icc';
    await this.#recheck();
    const mapped = lookupMaps(name, scope);
    if (mapped !== null) {
      const known = await this.#findPath(name, mapped, scope, true);
      if (known !== null) return known;
      throw new PyramidionError('PROFILE_INVALID', `${option} '${name}' leads to a file that is not there`, {
        option,
        value: name,
        detail: `the ICC profile map says ${mapped}`,
      });
    }
    const known = this.#snapshot.byName.get(foldName(name)) ?? (await this.#findPath(name, name, scope));
    if (known !== null) return known;
    const named = lookupNamed(name);
    if (named === null) {
      throw new PyramidionError('INVALID_OPTION', `${option} must name a profile; '${name}' is not known`, {
        option,
        value: name,
      });
    }
    throw new PyramidionError(
      'PROFILE_INVALID',
      `${option} '${name}' cannot be used: ${named.fileName} is not installed in a profile folder`,
      { option, value: name },
    );
  }

  async #recheck(): Promise<void> {
    if (performance.now() - this.#checkedAt >= (this.#options.recheckMs ?? RECHECK_MS)) await this.refresh();
  }

  async #readFolders(): Promise<void> {
    const { folders = [], standIns, onWarning } = this.#options;
    const earlier = this.#snapshot;
    const parsed = new Map<string, Profile>();
    const next = makeSnapshot(
      await readAll(folders, earlier.folders, parsed),
      await readAll(standIns?.folders ?? [], earlier.standIns, parsed),
      this.#options,
    );
    this.#snapshot = next;
    this.#checkedAt = performance.now();
    const told = new Set(earlier.listing.refused.map(({ message }) => message));
    for (const { code, message, path } of next.listing.refused) {
      if (!told.has(message)) onWarning?.({ code, message, path });
    }
  }

  /** `asked` is what errors call it: a mapped path is not for clients to know. */
  async #findPath(
    asked: string,
    path: string,
    { roots = [], option = 'icc' }: LookupScope,
    isMapped = false,
  ): Promise<KnownProfile | null> {
    const found = await confineProfilePath(path, roots, isMapped);
    if (found === null) return null;
    const kept = this.#rootProfiles.get(found.path);
    if (kept?.stamp === found.stamp) return kept.known;
    try {
      const { bytes, stamp } = await readProfileFile(found.path);
      const profile = requireUsable(parseProfile(bytes));
      const name = basename(path);
      const known: KnownProfile = { profile, name, label: labelOf(profile, name), origin: 'root', path: found.path };
      this.#rootProfiles.delete(found.path);
      this.#rootProfiles.set(found.path, { stamp, known });
      for (const oldest of this.#rootProfiles.keys()) {
        if (this.#rootProfiles.size <= MAX_ROOT_PROFILES) break;
        this.#rootProfiles.delete(oldest);
      }
      return known;
    } catch (thrown) {
      const error = toPyramidionError(thrown);
      const message = error.code === 'PROFILE_INVALID' ? error.message : 'the profile cannot be read';
      throw new PyramidionError('PROFILE_INVALID', `${option} '${asked}': ${message}`, {
        option,
        value: asked,
        detail: error.message,
        cause: thrown,
      });
    }
  }
}

/** The path that a catalog's map, or else the default catalog's, has for a name; null when none has one. */
function lookupMaps(name: string, { catalogMap, defaultMap }: LookupScope): string | null {
  const own = lookupMap(catalogMap?.(null), name);
  if (own !== null) return own;
  const slash = name.indexOf('/');
  if (slash > 0) {
    const identifier = name.slice(slash + 1);
    const map = catalogMap?.(name.slice(0, slash));
    // Only a name that leads to a catalog is one of that catalog, which inherits what it has not itself.
    const found = map ? (lookupMap(map, identifier) ?? lookupMap(defaultMap, identifier)) : null;
    if (found !== null) return found;
  }
  return lookupMap(defaultMap, name);
}

function lookupMap(map: IccMap | null | undefined, name: string): string | null {
  if (!map) return null;
  const exact = map.get(name);
  if (exact !== undefined) return exact;
  const folded = foldName(name);
  for (const [identifier, path] of map) if (foldName(identifier) === folded) return path;
  return null;
}

async function readAll(
  folders: readonly string[],
  earlier: readonly FolderState[],
  parsed: Map<string, Profile>,
): Promise<FolderState[]> {
  const states: FolderState[] = [];
  for (const folder of folders) {
    const before = earlier.find((state) => state.folder === folder);
    states.push(await readFolder(folder, before, parsed));
  }
  return states;
}

async function readFolder(
  folder: string,
  before: FolderState | undefined,
  parsed: Map<string, Profile>,
): Promise<FolderState> {
  const earlier = new Map(before?.files.map((file) => [file.path, file]));
  try {
    const files: FileState[] = [];
    for (const file of await listProfileFiles(folder)) {
      const kept = earlier.get(file.path);
      files.push(kept?.stamp === file.stamp ? kept : await readFile(file, kept, parsed));
    }
    return { folder, files, error: null };
  } catch (thrown) {
    return { folder, files: before?.files ?? [], error: toPyramidionError(thrown) };
  }
}

/** Reads and checks a file; when it is bad, what it held before stays. */
async function readFile(
  file: ProfileFile,
  before: FileState | undefined,
  parsed: Map<string, Profile>,
): Promise<FileState> {
  try {
    const { bytes, stamp } = await readProfileFile(file.path);
    const found = requireUsable(parseProfile(bytes));
    const named = lookupNamed(file.fileName);
    if (named !== null && named.space !== found.pixelSpace) {
      throw new PyramidionError(
        'PROFILE_MISMATCH',
        `the profile describes ${found.space.trim()} pixels, and ${named.commonName} is for ${named.space.toUpperCase()}`,
      );
    }
    const profile = parsed.get(found.sha256) ?? found;
    parsed.set(profile.sha256, profile);
    return { ...file, stamp, profile, error: null };
  } catch (thrown) {
    const error = toPyramidionError(thrown);
    // What changed under our hands is read again next time, whatever its stamp says.
    const stamp = error.code === 'SOURCE_CHANGED' ? '' : file.stamp;
    return { ...file, stamp, profile: before?.profile ?? null, error };
  }
}

/** Refuses profiles that no image can have: other classes and spaces, and those without any way to convert. */
function requireUsable(profile: Profile): Profile {
  const { pixelSpace, space, canRead, canWrite, deviceClass } = profile;
  const refuse = (why: string) => new PyramidionError('PROFILE_INVALID', `the ICC profile cannot be used: ${why}`);
  if (!['scnr', 'mntr', 'prtr', 'spac'].includes(deviceClass)) {
    throw refuse(`its class '${printableSignature(deviceClass)}' describes no pixels`);
  }
  if (pixelSpace === null) throw refuse(`it is for '${printableSignature(space)}', not for gray, RGB or CMYK`);
  if (!canRead && !canWrite) throw refuse('it has neither curves nor tables');
  return profile;
}

function printableSignature(signature: string): string {
  return signature.replace(/[^\x20-\x7e]/g, '?').trim();
}

function makeSnapshot(
  folders: readonly FolderState[],
  standIns: readonly FolderState[],
  options: RegistryOptions,
): Snapshot {
  const usable = folders.flatMap(({ files }) => files.filter(isUsable));
  const free = standIns.flatMap(({ files }) => files.filter(isUsable));
  const standInFiles = { ...STAND_INS, ...options.standIns?.files };

  const taken = new Set<UsableFile>();
  const named = NAMED_PROFILES.map((row): NamedStatus => {
    if (row.isGenerated) return { ...row, known: generated(row) };
    const installed = findPress(row, usable);
    if (installed !== null) {
      taken.add(installed);
      return { ...row, known: fromFile(installed, row.identifier, 'folder') };
    }
    const wanted = foldName(standInFiles[row.identifier] ?? '');
    const standIn = free.find((file) => foldName(file.fileName) === wanted && file.profile.pixelSpace === row.space);
    return { ...row, known: standIn === undefined ? null : asStandIn(standIn, row) };
  });
  const rest = usable.filter((file) => !taken.has(file));
  const others = rest.map((file) => fromFile(file, file.fileName, 'folder'));

  const byName = new Map<string, KnownProfile>();
  const add = (name: string, known: KnownProfile): void => {
    const folded = foldName(name);
    if (folded !== '' && !byName.has(folded)) byName.set(folded, known);
  };
  for (const row of named) if (row.known !== null) for (const name of namesOf(row)) add(name, row.known);
  rest.forEach((file, index) => {
    const known = others[index];
    if (known === undefined) return;
    add(file.fileName, known);
    add(file.relativePath, known);
  });
  // By description last: a name that a file bears is worth more than what is written in another.
  for (const known of others) add(known.profile.description, known);

  const refused = [...folders, ...standIns].flatMap(refusedIn);
  return { folders, standIns, listing: { named, others, refused }, byName };
}

type UsableFile = FileState & { readonly profile: Profile };

function isUsable(file: FileState): file is UsableFile {
  return file.profile !== null;
}

/** The file of a press profile: by its name, else by what the profile says of itself. */
function findPress(row: NamedProfile, files: readonly UsableFile[]): UsableFile | null {
  const fits = (file: UsableFile): boolean => file.profile.pixelSpace === row.space;
  const byFileName = files.find((file) => fits(file) && foldName(file.fileName) === foldName(row.fileName));
  const byDescription = files.find(
    (file) =>
      fits(file) &&
      lookupNamed(file.fileName) === null &&
      lookupNamed(file.profile.description)?.identifier === row.identifier,
  );
  return byFileName ?? byDescription ?? null;
}

const generatedProfiles = new Map<string, KnownProfile>();

function generated({ identifier }: NamedProfile): KnownProfile {
  const kept = generatedProfiles.get(identifier);
  if (kept !== undefined) return kept;
  const profile = parseProfile(generatedProfile(identifier));
  const known: KnownProfile = {
    profile,
    name: identifier,
    label: profile.description,
    origin: 'generated',
    path: null,
  };
  generatedProfiles.set(identifier, known);
  return known;
}

function fromFile({ profile, path }: UsableFile, name: string, origin: ProfileOrigin): KnownProfile {
  return { profile, name, label: labelOf(profile, name), origin, path };
}

function asStandIn(file: UsableFile, row: NamedProfile): KnownProfile {
  const known = fromFile(file, row.identifier, 'stand-in');
  return { ...known, label: `${labelOf(file.profile, file.fileName)} (stands in for ${row.commonName})` };
}

function labelOf({ description }: Profile, name: string): string {
  return description === '' ? name : description;
}

function refusedIn({ folder, files, error }: FolderState): RefusedFile[] {
  const earlier = 'what it held before stays in use';
  const refused: RefusedFile[] = [];
  if (error !== null) {
    const keepsEarlier = files.length > 0;
    const message = keepsEarlier ? `${error.message}: ${earlier}` : error.message;
    refused.push({ code: error.code, message, path: folder, keepsEarlier });
  }
  for (const { relativePath, path, error: cause, profile } of files) {
    if (cause === null) continue;
    const where = join(folder, relativePath);
    const message = profile === null ? `${where}: ${cause.message}` : `${where}: ${cause.message}: ${earlier}`;
    refused.push({ code: cause.code, message, path, keepsEarlier: profile !== null });
  }
  return refused;
}
