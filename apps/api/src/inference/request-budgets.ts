import { smallestBudget, type EffectiveBudget, type RequestBudget } from '@sconce/contracts';

/** The budgets of requests: the smallest parts of what the instance, the model and the caller's key allow. */
export class RequestBudgets {
  readonly #instance: RequestBudget;
  /** Holds if neither the model nor the key has a budget. */
  readonly #own: EffectiveBudget;
  /** By the budget of the key or of the model. They are objects of a config or of the key file, and live as long. */
  readonly #made = new WeakMap<RequestBudget, WeakMap<RequestBudget, EffectiveBudget>>();

  constructor(instance: RequestBudget) {
    this.#instance = instance;
    this.#own = smallestBudget({ instance });
  }

  /** The budget of a request of this key to this model. */
  of(model: RequestBudget | undefined, key: RequestBudget | undefined): EffectiveBudget {
    if (model === undefined && key === undefined) return this.#own;
    const byModel = this.#made.get(key ?? NONE) ?? new WeakMap<RequestBudget, EffectiveBudget>();
    this.#made.set(key ?? NONE, byModel);
    const budget = byModel.get(model ?? NONE) ?? smallestBudget({ instance: this.#instance, model, key });
    byModel.set(model ?? NONE, budget);
    return budget;
  }
}

const NONE: RequestBudget = {};
