import { DictValue, isTuple, ListValue, ObjectValue, type Value } from '../symbolic/values.ts';

/** A place below a module that holds a value: an attribute, or an item of a list, tuple or dict that is one. */
export interface StatePlace {
  /** Path below the root module: `_state`, `decoder.cache`, `decoder.states.0`. */
  readonly path: string;
  readonly owner: ObjectValue;
  readonly attribute: string;
  /** The lists, tuples and dicts from the attribute to the value. Empty if the value is the attribute itself. */
  readonly holders: readonly Value[];
  readonly value: Value;
  /** Puts another value there. Only for use before the execution. */
  readonly set: (value: Value) => void;
}

/** The places of all values below a module that are no modules, by path. */
export function placesBelow(root: ObjectValue): ReadonlyMap<string, StatePlace> {
  const found = new Map<string, StatePlace>();
  const seen = new Set<object>();
  const open = [{ object: root, path: '' }];
  for (let entry = open.pop(); entry !== undefined; entry = open.pop()) {
    const { object, path } = entry;
    if (seen.has(object)) continue;
    seen.add(object);
    for (const [attribute, value] of object.attributes) {
      const own = path === '' ? attribute : `${path}.${attribute}`;
      if (value instanceof ObjectValue) open.push({ object: value, path: own });
      const place: StatePlace = {
        path: own,
        owner: object,
        attribute,
        holders: [],
        value,
        set: (changed) => object.attributes.set(attribute, changed),
      };
      addPlaces(place, found);
    }
  }
  return found;
}

function addPlaces(place: StatePlace, found: Map<string, StatePlace>): void {
  const { path, value } = place;
  const holders = [...place.holders, value];
  if (value instanceof ObjectValue) return;
  if (value instanceof ListValue && value.grown === undefined) {
    value.stored.forEach((item, i) => {
      const set = (changed: Value): void => void (value.stored = value.stored.with(i, changed));
      addPlaces({ ...place, path: `${path}.${i}`, holders, value: item, set }, found);
    });
    return;
  }
  if (value instanceof DictValue) {
    value.stored.forEach(([key, item], i) => {
      const set = (changed: Value): void => void (value.stored = value.stored.with(i, [key, changed]));
      addPlaces({ ...place, path: `${path}.${String(key)}`, holders, value: item, set }, found);
    });
    return;
  }
  if (isTuple(value)) {
    const items = [...value.items];
    items.forEach((item, i) => {
      const set = (changed: Value): void => {
        items[i] = changed;
        place.set({ ...value, items: [...items] });
      };
      addPlaces({ ...place, path: `${path}.${i}`, holders, value: item, set }, found);
    });
    return;
  }
  found.set(path, place);
}
