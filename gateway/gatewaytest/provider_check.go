package gatewaytest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// check says what is wrong with the value of a parameter, whose path is given.
type check func(path string, v any) *APIError

// refuse is a refusal of the usual kind.
func refuse(param, code, format string, a ...any) *APIError {
	return &APIError{Status: 400, Type: "invalid_request_error", Param: param, Code: code, Message: fmt.Sprintf(format, a...)}
}

// checkFields refuses what no check knows, and what its check refuses. Null counts as not there.
func checkFields(path string, f fields, known map[string]check) *APIError {
	names := make([]string, 0, len(f))
	for name := range f {
		names = append(names, name)
	}
	slices.Sort(names) // the same refusal each time
	for _, name := range names {
		at := name
		if path != "" {
			at = path + "." + name
		}
		c, ok := known[name]
		switch {
		case !ok && path == "":
			return refuse("", "", "Unrecognized request argument supplied: %s", name)
		case !ok:
			return refuse(at, "unknown_parameter", "Unknown parameter: '%s'.", at)
		case f[name] == nil || c == nil:
		default:
			if err := c(at, f[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

func wrongType(path, want string, v any) *APIError {
	return refuse(path, "invalid_type", "Invalid type for '%s': expected %s, but got %s instead.", path, want, kindOf(v))
}

// kindOf is what the real one calls a value.
func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case json.Number:
		if strings.ContainsAny(v.String(), ".eE") {
			return "a decimal"
		}
		return "an integer"
	case []any:
		return "an array"
	}
	return "an object"
}

func aString(path string, v any) *APIError {
	if _, ok := v.(string); !ok {
		return wrongType(path, "a string", v)
	}
	return nil
}

func aBoolean(path string, v any) *APIError {
	if _, ok := v.(bool); !ok {
		return wrongType(path, "a boolean", v)
	}
	return nil
}

func anObject(path string, v any) *APIError {
	if _, ok := v.(map[string]any); !ok {
		return wrongType(path, "an object", v)
	}
	return nil
}

// anInteger takes whole numbers of a range.
func anInteger(low, high int64) check {
	return func(path string, v any) *APIError {
		n, _ := v.(json.Number)
		i, err := n.Int64()
		switch {
		case err != nil:
			return wrongType(path, "an integer", v)
		case i < low:
			return refuse(path, "integer_below_min_value",
				"Invalid '%s': integer below minimum value. Expected a value >= %d, but got %d instead.", path, low, i)
		case i > high:
			return refuse(path, "integer_above_max_value",
				"Invalid '%s': integer above maximum value. Expected a value <= %d, but got %d instead.", path, high, i)
		}
		return nil
	}
}

// aDecimal takes numbers of a range.
func aDecimal(low, high float64) check {
	return func(path string, v any) *APIError {
		n, _ := v.(json.Number)
		f, err := n.Float64()
		switch {
		case err != nil:
			return wrongType(path, "a decimal", v)
		case f < low:
			return refuse(path, "decimal_below_min_value",
				"Invalid '%s': decimal below minimum value. Expected a value >= %v, but got %s instead.", path, low, n)
		case f > high:
			return refuse(path, "decimal_above_max_value",
				"Invalid '%s': decimal above maximum value. Expected a value <= %v, but got %s instead.", path, high, n)
		}
		return nil
	}
}

// oneOf takes some texts.
func oneOf(values ...string) check {
	return func(path string, v any) *APIError {
		s, ok := v.(string)
		if !ok {
			return wrongType(path, "one of "+strings.Join(values, ", "), v)
		}
		if !slices.Contains(values, s) {
			return refuse(path, "invalid_value", "Invalid value: '%s'. Supported values are: '%s'.", s, strings.Join(values, "', '"))
		}
		return nil
	}
}

// matching takes texts of a form.
func matching(re *regexp.Regexp) check {
	return func(path string, v any) *APIError {
		s, ok := v.(string)
		if !ok {
			return wrongType(path, "a string", v)
		}
		if !re.MatchString(s) {
			return refuse(path, "invalid_value",
				"Invalid '%s': string does not match pattern. Expected a string that matches the pattern '%s'.", path, re)
		}
		return nil
	}
}

// listOf takes arrays of a length; each may be nil.
func listOf(low, high int, each check) check {
	return func(path string, v any) *APIError {
		l, ok := v.([]any)
		switch {
		case !ok:
			return wrongType(path, "an array", v)
		case len(l) == 0 && low > 0:
			return refuse(path, "empty_array",
				"Invalid '%s': empty array. Expected an array with minimum length %d, but got an empty array instead.", path, low)
		case len(l) > high:
			return refuse(path, "array_above_max_length",
				"Invalid '%s': array too long. Expected an array with maximum length %d, but got an array with length %d instead.",
				path, high, len(l))
		}
		for i, v := range l {
			if each == nil {
				break
			}
			if err := each(fmt.Sprintf("%s[%d]", path, i), v); err != nil {
				return err
			}
		}
		return nil
	}
}

// either takes a text or what the other takes.
func either(other check) check {
	return func(path string, v any) *APIError {
		if _, ok := v.(string); ok {
			return nil
		}
		return other(path, v)
	}
}

// objectOf takes objects with some fields, of which the needed ones must be there.
func objectOf(known map[string]check, needed ...string) check {
	return func(path string, v any) *APIError {
		o, ok := v.(map[string]any)
		if !ok {
			return wrongType(path, "an object", v)
		}
		for _, name := range needed {
			if o[name] == nil {
				at := path + "." + name
				return refuse(at, "missing_required_parameter", "Missing required parameter: '%s'.", at)
			}
		}
		return checkFields(path, o, known)
	}
}

// named takes objects whose type decides what else they hold.
func named(kinds map[string]check) check {
	return func(path string, v any) *APIError {
		o, ok := v.(map[string]any)
		if !ok {
			return wrongType(path, "an object", v)
		}
		kind, _ := o["type"].(string)
		if o["type"] == nil {
			at := path + ".type"
			return refuse(at, "missing_required_parameter", "Missing required parameter: '%s'.", at)
		}
		c, ok := kinds[kind]
		if !ok {
			names := make([]string, 0, len(kinds))
			for name := range kinds {
				names = append(names, name)
			}
			slices.Sort(names)
			return refuse(path, "invalid_value", "Invalid value: '%s'. Supported values are: '%s'.", kind, strings.Join(names, "', '"))
		}
		return c(path, v)
	}
}
