package returnwatch.peers;

import java.util.HashMap;
import java.util.Map;

/** The command line: `name=value`, each once; asking for one that is missing ends the program. */
public final class Arguments {
    private final Map<String, String> given = new HashMap<>();

    public Arguments(String[] arguments) {
        for (String argument : arguments) {
            int at = argument.indexOf('=');
            if (at < 1) {
                throw new IllegalArgumentException("expected name=value, got " + argument);
            }
            given.put(argument.substring(0, at), argument.substring(at + 1));
        }
    }

    public String get(String name) {
        String value = given.get(name);
        if (value == null) {
            throw new IllegalArgumentException("missing argument " + name);
        }
        return value;
    }
}
